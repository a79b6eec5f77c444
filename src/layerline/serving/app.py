"""The routes. Slow predictions run in threads, so that they do not block others.

FastAPI serves the other routes; `/predict` itself is a plain ASGI route, since FastAPI's
validation would cost more than the prediction.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.responses import JSONResponse

from layerline.serving.answer_ids import new_id
from layerline.serving.docs_page import add_docs
from layerline.serving.json_rows import Refused
from layerline.serving.live_model import LiveModel, watching
from layerline.serving.load_model import ServedModel
from layerline.serving.middleware import (
    SMALL_BYTES,
    App,
    Bodies,
    Guard,
    Limits,
    Problem,
    Receive,
    Scope,
    Send,
    Slots,
    answer,
    problem,
)
from layerline.serving.openapi import openapi_of
from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.request_handler import JSON, encode
from layerline.serving.request_log import Answer, RequestLog
from layerline.serving.uploads import TooLarge, Unreadable
from layerline.serving.worker_pool import IDLE_SECONDS, WorkerPool

PATHS = frozenset(
    {"/", "/predict", "/model", "/metrics", "/health", "/ready", "/docs", "/openapi.json"}
)


class Predict:
    """POST /predict, as plain ASGI."""

    def __init__(
        self,
        live: LiveModel,
        limits: Limits,
        metrics: Metrics,
        log: RequestLog | None,
        workers: WorkerPool,
    ) -> None:
        self._live, self._metrics, self._log, self._workers = live, metrics, log, workers
        self._bodies, self._slots = Bodies(limits), Slots(limits, metrics)
        # It only waits for the worker process.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="worker")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            detail = orjson.dumps({"detail": "Method Not Allowed"})
            await answer(send, 405, detail, JSON, (b"allow", b"POST"))
            return
        served = self._live.current
        content_type = _content_type(scope, served)
        async with self._bodies.read(scope, receive) as body:
            with self._slots.take():
                if content_type == JSON and len(body) <= SMALL_BYTES:
                    content, name = self._answer(served, content_type, bytes(body))
                else:
                    content, name = await self._ask_worker(served, content_type, body)
        await answer(send, 200, content, JSON, (b"x-answer-id", name.encode()))

    async def _ask_worker(
        self, served: ServedModel, content_type: str, body: bytes | bytearray
    ) -> tuple[bytes, str]:
        loop = asyncio.get_running_loop()
        ask = self._workers.predict
        try:
            reply = await loop.run_in_executor(self._thread, ask, served, content_type, body)
        finally:
            loop.call_later(IDLE_SECONDS + 1, self._workers.end_idle)
        self._metrics.rows.observe(reply.n_rows)
        if self._log is not None:
            self._log.put(reply.log_lines)
        return reply.content, reply.id

    def _answer(self, served: ServedModel, content_type: str, body: bytes) -> tuple[bytes, str]:
        """The response's body and its id."""
        try:
            predictions = served.handler.handle(content_type, body)
        except Unreadable as error:
            raise problem(400, str(error)) from None
        except Refused as refused:
            raise Problem(422, *refused.faults) from None
        except TooLarge as error:
            raise problem(413, str(error)) from None
        self._metrics.rows.observe(predictions.n_rows)
        content = encode(served.version, predictions)
        name = new_id(content)
        if self._log is not None:
            self._log.take(predictions, Answer(served.version, name), served.handler.names)
        return content, name


def _content_type(scope: Scope, served: ServedModel) -> str:
    given, encoding = "", b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            given = value.decode("latin-1").partition(";")[0].strip().lower()
        elif name == b"content-encoding":
            encoding = value
    known = (JSON, *served.handler.uploads)
    if given not in known or encoding not in (b"", b"identity"):
        raise problem(415, f"the content type must be one of {', '.join(known)}, not compressed")
    return given


def build_app(
    live: LiveModel,
    limits: Limits,
    metrics: Metrics,
    workers: WorkerPool,
    *,
    log: RequestLog | None = None,
    poll_seconds: float = 0.0,
    on_start: Callable[[asyncio.Event], None] = lambda asked: None,
) -> App:
    """The whole application.

    Args:
        live: the model being served.
        limits: what it accepts at a time.
        metrics: its counters.
        workers: predict files and large bodies.
        log: where sampled rows go.
        poll_seconds: how often the alias is polled; 0 for never.
        on_start: gets the event that triggers a poll.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        asked = asyncio.Event()
        on_start(asked)
        async with watching(live, poll_seconds, asked):
            yield
        if log is not None:
            log.close()

    app = FastAPI(lifespan=lifespan, redoc_url=None, docs_url=None, openapi_url="/openapi.json")
    app.openapi = _documents(live, limits.token is not None)  # type: ignore[method-assign]
    _add_routes(app, live, metrics)
    add_docs(app)
    predict = Predict(live, limits, metrics, log, workers)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/predict":
            await predict(scope, receive, send)
        else:
            await app(scope, receive, send)

    return Guard(route, limits, metrics, PATHS)


def _documents(live: LiveModel, with_token: bool) -> Callable[[], dict[str, Any]]:
    # By the model object: a swapped model may have other columns.
    made: list[tuple[ServedModel, dict[str, Any]]] = []

    def document() -> dict[str, Any]:
        served = live.current
        if not made or made[0][0] is not served:
            made[:] = [(served, openapi_of(served, with_token))]
        return made[0][1]

    return document


def _add_routes(app: FastAPI, live: LiveModel, metrics: Metrics) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/model")
    async def model() -> Response:
        return JSONResponse(live.describe())

    @app.get("/metrics")
    async def metrics_text(request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")
