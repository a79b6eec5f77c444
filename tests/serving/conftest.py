"""A real server in a thread, over a model of each kind; nothing between a test and HTTP."""

import contextlib
import dataclasses
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registered import clean_environment, fresh, made, store  # noqa: F401

from layerline.serving.app import build_app
from layerline.serving.live_model import LiveModel
from layerline.serving.load_model import parse_source
from layerline.serving.middleware import Limits
from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.request_log import NO_SAMPLE, Sampling
from layerline.serving.server import make_server
from layerline.serving.worker_pool import WorkerPool


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def messages(self) -> str:
        return "; ".join(f"row {f['row']} {f['field']} {f['message']}" for f in self.json["detail"])


@dataclasses.dataclass
class Served:
    """A server, and how to ask it."""

    port: int
    live: LiveModel
    metrics: Metrics
    server: Any = None

    def stop(self) -> None:
        """Ask the server to end, as SIGTERM does."""
        self.server.should_exit = True

    def ask(
        self, path: str, body: Any = None, content_type: str = "application/json", **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            given = {k.replace("_", "-"): v for k, v in headers.items()}
            if body is None:
                connection.request("GET", path, headers=given)
            else:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                connection.request("POST", path, content, {"content-type": content_type, **given})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())

    def predict(self, body: Any, content_type: str = "application/json", **headers: str) -> Answer:
        return self.ask("/predict", body, content_type, **headers)


@contextlib.contextmanager
def serving(
    uri: str,
    home: Path,
    limits: Limits | None = None,
    log: Any = None,
    any_value: bool = False,
    poll_seconds: float = 0.0,
    log_sample: Sampling = NO_SAMPLE,
    body_seconds: float = 60.0,
) -> Iterator[Served]:
    metrics = Metrics()
    workers = WorkerPool(log_sample, body_seconds)
    live = LiveModel(
        parse_source(uri),
        home,
        metrics,
        lambda text: None,
        any_value=any_value,
        workers=workers,
    )
    app = build_app(
        live,
        limits or Limits(),
        metrics,
        workers,
        log=log(metrics) if log else None,
        poll_seconds=poll_seconds,
    )
    server = make_server(app)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.01)
        try:
            yield Served(listener.getsockname()[1], live, metrics, server)
        finally:
            server.should_exit = True
            thread.join(timeout=60)
            workers.close()
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def bundle(made, tmp_path_factory) -> Callable[[str], Path]:  # noqa: F811
    """A bundle's folder by the kind of its model."""
    folders: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in folders:
            checkout = made(name)
            folders[name] = tmp_path_factory.mktemp("bundles") / name
            rows = examples_of(checkout, name)
            checkout.bundle(folders[name], rows)
        return folders[name]

    return make


def examples_of(checkout: Any, name: str) -> Any:
    from layerline.tables.storage import read_images, read_table

    validated = checkout.workspace.validated
    if name == "images":
        return read_images(validated)[:20]
    return read_table(validated).head(20)


@pytest.fixture(scope="session")
def served(bundle, tmp_path_factory) -> Iterator[Callable[[str], Served]]:
    """One server a kind of model, for all tests that change nothing."""
    servers: dict[str, Served] = {}
    with contextlib.ExitStack() as stack:

        def get(name: str) -> Served:
            if name not in servers:
                home = tmp_path_factory.mktemp("home")
                servers[name] = stack.enter_context(serving(str(bundle(name)), home))
            return servers[name]

        yield get


ROW = {"size": 4.5, "count": 3, "planted": "2020-01-22", "soil": "clay", "is wild": True}
