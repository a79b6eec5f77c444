"""A new champion takes the old one's place under load; a bad one does not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from registered import SOURCE, build
from serving.conftest import ROW, Answer, Served, serving

from layerline.errors import BusyError, ParamsError, SourceError, TrackingError
from layerline.registry.client import open_registry
from layerline.serving.live_model import LiveModel
from layerline.serving.load_model import load, parse_source
from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.server import Settings, open_socket, read_token, serve

PROJECT = "live"
URI = f"models:/{PROJECT}@champion"
READY_SECONDS = 120.0


@pytest.fixture(scope="module")
def versions(store, made, tmp_path_factory):
    """Two versions of one project, the first of them champion."""
    folder = tmp_path_factory.mktemp("versions")
    checkout = made("classes")
    store.register(checkout, PROJECT, folder)
    root = tmp_path_factory.mktemp("second")
    second = build("classes", root, seed=1)
    second.train(epochs=3, seed=1)
    store.register(second, PROJECT, folder)
    crown(store, "1")
    return store


def crown(store, version: str) -> None:
    with open_registry(store.home, "testing") as client:
        client.set_registered_model_alias(PROJECT, "champion", version)


def files_of(store, version: str) -> Path:
    with open_registry(store.home, "testing") as client:
        source = client.get_model_version_download_uri(PROJECT, version)
    if source.startswith("models:/"):
        with open_registry(store.home, "testing") as client:
            source = client.get_logged_model(source.removeprefix("models:/")).artifact_location
    return Path(source.removeprefix("file://")) / "artifacts" / "bundle"


def test_the_alias_is_followed_while_requests_go_on(versions):
    statuses: list[int] = []
    stop = threading.Event()
    with serving(URI, versions.home, poll_seconds=0.05) as server:

        def ask() -> None:
            while not stop.is_set():
                statuses.append(server.predict(ROW).status)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        seen = []
        for version in ("2", "1", "2", "1"):
            crown(versions, version)
            until = time.monotonic() + 60
            while server.ask("/model").json["version"] != version:
                assert time.monotonic() < until
                time.sleep(0.02)
            seen.append(server.predict(ROW).json["version"])
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
        assert server.metrics.registry.get_sample_value("layerline_model_swaps_total") == 4
    assert seen == ["2", "1", "2", "1"]
    assert set(statuses) == {200}
    assert len(statuses) > 20


def test_a_damaged_champion_is_refused_and_the_old_one_serves(versions):
    crown(versions, "1")
    weights = files_of(versions, "2") / "network.safetensors"
    whole = weights.read_bytes()
    with serving(URI, versions.home) as server:
        said = look_with(server, versions, whole[:-1] + bytes([whole[-1] ^ 1]), weights)
        assert said["version"] == "1"
        assert said["refused"]["version"] == "2"
        assert "sha256" in said["refused"]["reason"]
        assert "/tmp" not in str(said)
        assert server.predict(ROW).json["version"] == "1"
        # Mended, it is tried again only when asked.
        weights.write_bytes(whole)
        assert not server.live.poll()
        assert server.live.poll(again=True)
        assert server.predict(ROW).json["version"] == "2"
        assert server.ask("/model").json["refused"] is None
    crown(versions, "1")


def look_with(server: Served, store, content: bytes, weights: Path) -> dict[str, object]:
    weights.write_bytes(content)
    crown(store, "2")
    assert not server.live.poll()
    assert not server.live.poll()
    assert server.metrics.registry.get_sample_value("layerline_model_refused_total") == 1
    answer: Answer = server.ask("/model")
    return dict(answer.json)


def test_a_store_that_is_away_is_reported_once_and_asked_again(versions, tmp_path):
    said: list[str] = []
    live = LiveModel(parse_source(URI), versions.home, Metrics(), said.append)
    live._home = tmp_path  # a store that knows no such model
    assert not live.poll()
    assert not live.poll()
    assert len(said) == 1
    assert "version 1 keeps serving" in said[0]
    live._home = versions.home
    assert not live.poll()


def test_a_model_that_is_not_there_and_one_that_was_changed(versions, bundle, tmp_path):
    for uri in ("models:/nobody@champion", f"models:/{PROJECT}/99", f"models:/{PROJECT}@nobody"):
        with pytest.raises(TrackingError, match=r"no such model|no version holds"):
            load(parse_source(uri), versions.home)
    folder = shutil.copytree(bundle("classes"), tmp_path / "changed")
    (folder / "model.json").write_text("{}")
    with pytest.raises(SourceError, match="changed after it was registered"):
        load(parse_source(str(folder)), tmp_path)


def start(home: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    code = "from layerline.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, "serve", *options],
        cwd=home,
        env=os.environ | {"PYTHONPATH": str(SOURCE)} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_process_follows_sighup_and_ends_in_order(versions):
    process = start(versions.home, URI, "--port", "0", "--poll", "0")
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"{URI} version 1 on http://127.0.0.1:" in line
        server = Served(int(line.rpartition(":")[2].partition("/")[0]), None, None)
        wait_ready(server)
        crown(versions, "2")
        process.send_signal(signal.SIGHUP)
        assert "version 2 replaced version 1" in process.stderr.readline()
        assert server.predict(ROW).json["version"] == "2"
        answers: list[int] = []
        body = [ROW] * 20_000  # under way when the end is asked for
        thread = threading.Thread(target=lambda: answers.append(server.predict(body).status))
        thread.start()
        until = time.monotonic() + 30
        while "layerline_in_flight 1.0" not in server.ask("/metrics").body.decode():
            assert time.monotonic() < until
            if answers:
                break
        process.send_signal(signal.SIGTERM)
        thread.join(timeout=60)
        assert answers == [200]
        process.wait(timeout=60)
        assert process.returncode in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.communicate()
        crown(versions, "1")


def test_the_process_logs_what_the_shadow_predicts(versions, tmp_path):
    log, shadow = tmp_path / "requests.jsonl", f"models:/{PROJECT}/2"
    logged = ("--request-log", str(log), "--log-sample", "1", "--log-id", "order")
    with start(versions.home, URI, "--shadow", shadow, *logged, "--port", "0") as process:
        try:
            assert process.stderr is not None
            lines = sorted(process.stderr.readline() for _ in range(2))  # one of each thread
            assert f"{URI} version 1 on http" in lines[0]
            assert f"shadow: {shadow} version 2" in lines[1]
            server = Served(int(lines[0].rpartition(":")[2].partition("/")[0]), None, None)
            wait_ready(server)
            assert server.predict(ROW | {"order": 7}).json["version"] == "1"
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
        finally:
            process.kill()
    line = json.loads(log.read_text())
    assert (line["id"], line["version"], line["shadow"]["version"]) == (7, "1", "2")


def test_a_shadow_needs_a_request_log(tmp_path):
    settings = Settings(model_uri="models:/x/1", shadow="models:/x/2")
    with pytest.raises(ParamsError, match=r"--shadow: .* name one with --request-log FILE"):
        serve(settings, tmp_path, print)


def wait_ready(server: Served) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            if server.ask("/ready").status == 200:
                return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_token_must_be_one(monkeypatch):
    for value in ("", "short", "ü" * 20):
        monkeypatch.setenv("TOKEN", value)
        with pytest.raises(ParamsError, match="TOKEN must hold a token of at least 16"):
            read_token("TOKEN")
    monkeypatch.setenv("TOKEN", "0123456789abcdef")
    assert read_token("TOKEN") == "0123456789abcdef"
    assert read_token(None) is None


def test_a_port_that_is_taken_is_reported():
    with open_socket("127.0.0.1", 0) as listener:
        listener.listen()
        with pytest.raises(BusyError, match="--port"):
            open_socket("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(ParamsError, match="--host"):
        open_socket("192.0.2.1", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("uri", "code", "told"),
    [("models:/nobody@champion", 8, "no version holds this alias"), ("x/y", 8, "no such model")],
)
def test_what_cannot_be_served_ends_with_its_exit_code(versions, uri, code, told):
    process = start(versions.home, uri, "--port", "0")
    _, error = process.communicate(timeout=120)
    assert process.returncode == code, error
    assert told in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_a_damaged_version_ends_with_4(versions):
    weights = files_of(versions, "2") / "network.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        process = start(versions.home, f"models:/{PROJECT}/2", "--port", "0")
        _, error = process.communicate(timeout=120)
    finally:
        weights.write_bytes(whole)
    assert process.returncode == 4
    assert "changed after it was registered" in error
