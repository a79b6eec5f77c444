"""The routes. A prediction that takes a moment is a thread's work, so that others are not kept.

FastAPI draws /docs from the model's own schema; `/predict` itself is a plain route, since a
validation by FastAPI would cost more than the prediction.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.responses import JSONResponse

from layerline.serving.answers import JSON, Answered
from layerline.serving.champion import Followed, following
from layerline.serving.json_rows import Refused
from layerline.serving.load_model import Served
from layerline.serving.middleware import (
    App,
    Guard,
    Limits,
    Problem,
    Receive,
    Scope,
    Send,
    answer,
    problem,
    read_body,
)
from layerline.serving.openapi import openapi_of
from layerline.serving.prometheus import Figures
from layerline.serving.request_log import RequestLog
from layerline.serving.uploads import Unreadable

SMALL_BYTES = 128 << 10  # a body that is read and predicted in a few milliseconds
N_THREADS = 2
PATHS = frozenset({"/predict", "/model", "/metrics", "/health", "/ready", "/docs", "/openapi.json"})


class Predict:
    """POST /predict, as plain ASGI."""

    def __init__(
        self, followed: Followed, limits: Limits, figures: Figures, log: RequestLog | None
    ) -> None:
        self._followed, self._limits, self._figures, self._log = followed, limits, figures, log
        self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="predict")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            detail = orjson.dumps({"detail": "Method Not Allowed"})
            await answer(send, 405, detail, JSON, (b"allow", b"POST"))
            return
        served = self._followed.current
        content_type = _content_type(scope, served)
        body = await read_body(scope, receive, self._limits)
        if content_type == JSON and len(body) <= SMALL_BYTES:
            content = self._answer(served, content_type, body)
        else:
            loop = asyncio.get_running_loop()
            content = await loop.run_in_executor(
                self._threads, self._answer, served, content_type, body
            )
        await answer(send, 200, content)

    def _answer(self, served: Served, content_type: str, body: bytes) -> bytes:
        try:
            answered = served.answerer.answer(content_type, body)
        except Unreadable as error:
            raise problem(400, str(error)) from None
        except Refused as refused:
            raise Problem(422, *refused.faults) from None
        self._figures.rows.observe(answered.n_rows)
        if self._log is not None:
            self._log.take(answered, served.version, served.answerer.names)
        return _encode(served, answered)


def _encode(served: Served, answered: Answered) -> bytes:
    return orjson.dumps({"version": served.version, "predictions": answered.predicted.rows()})


def _content_type(scope: Scope, served: Served) -> str:
    given, encoding = "", b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            given = value.decode("latin-1").partition(";")[0].strip().lower()
        elif name == b"content-encoding":
            encoding = value
    known = (JSON, *served.answerer.uploads)
    if given not in known or encoding not in (b"", b"identity"):
        raise problem(415, f"the content type must be one of {', '.join(known)}, not compressed")
    return given


def build_app(
    followed: Followed,
    limits: Limits,
    figures: Figures,
    *,
    log: RequestLog | None = None,
    poll_seconds: float = 0.0,
    on_start: Callable[[asyncio.Event], None] = lambda asked: None,
) -> App:
    """The whole application.

    Args:
        followed: the model being served.
        limits: what it takes at a time.
        figures: what it counts.
        log: where sampled rows go.
        poll_seconds: how often the alias is looked up; 0 for never.
        on_start: gets the event that makes it look at once.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        asked = asyncio.Event()
        on_start(asked)
        async with following(followed, poll_seconds, asked):
            yield
        if log is not None:
            log.close()

    app = FastAPI(lifespan=lifespan, redoc_url=None, docs_url="/docs", openapi_url="/openapi.json")
    app.openapi = _documents(followed, limits.token is not None)  # type: ignore[method-assign]
    _add_routes(app, followed, figures)
    predict = Predict(followed, limits, figures, log)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/predict":
            await predict(scope, receive, send)
        else:
            await app(scope, receive, send)

    return Guard(route, limits, figures, PATHS)


def _documents(followed: Followed, with_token: bool) -> Callable[[], dict[str, Any]]:
    # By the model object: a swapped model has other columns, and perhaps the same number of bytes.
    made: list[tuple[Served, dict[str, Any]]] = []

    def document() -> dict[str, Any]:
        served = followed.current
        if not made or made[0][0] is not served:
            made[:] = [(served, openapi_of(served, with_token))]
        return made[0][1]

    return document


def _add_routes(app: FastAPI, followed: Followed, figures: Figures) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/model")
    async def model() -> Response:
        return JSONResponse(followed.describe())

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        return Response(figures.text(), media_type="text/plain; version=0.0.4")
