"""Checks before the routes: token, body size, time, load. Plain ASGI, for speed.

A refusal is an ordinary response with the reason; the connection is closed where a body was not
read.
"""

import asyncio
import contextlib
import dataclasses
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import orjson

from layerline.serving.column_checks import Fault
from layerline.serving.prometheus_metrics import Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = frozenset({"/health", "/ready"})  # whatever restarts the process has no token
RETRY_SECONDS = 1
SMALL_BYTES = 128 << 10  # a JSON body that is parsed and predicted in a few milliseconds


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one server accepts at a time."""

    body_bytes: int = 16 << 20
    in_flight: int = 64
    large_bytes: int = 64 << 20  # of all large bodies that are being received or predicted
    timeout_seconds: float = 30.0
    token: str | None = None


class Problem(Exception):  # noqa: N818 (a request is, nothing failed)
    """A request that is refused with a status and its reasons."""

    def __init__(self, status: int, *faults: Fault) -> None:
        self.status, self.faults = status, faults
        super().__init__(status)


def problem(status: int, message: str) -> Problem:
    """A problem of the whole request."""
    return Problem(status, Fault(message))


async def answer(
    send: Send, status: int, body: bytes, content_type: str = "application/json", *more: Any
) -> None:
    """Send a whole response."""
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refused: Problem) -> None:
    """Respond with a problem's reasons."""
    headers = []
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if refused.status == 503:
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    if refused.status in (401, 408, 411, 413, 415, 503):
        headers.append((b"connection", b"close"))  # its body was not read
    body = orjson.dumps({"detail": [fault.to_json() for fault in refused.faults]})
    await answer(send, refused.status, body, "application/json", *headers)


class Guard:
    """Wraps the app: checks the token, limits the time, counts the requests."""

    def __init__(self, app: App, limits: Limits, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app, self._limits, self._metrics, self._paths = app, limits, metrics, paths
        self._token = limits.token.encode() if limits.token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watched = _Watched(send)
        start = time.perf_counter()
        try:
            await self._guarded(scope, receive, watched)
        except Problem as refused:
            if not watched.status:
                await refuse(watched, refused)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(path, watched.status).inc()
            if path == "/predict" and watched.status == 200:
                self._metrics.seconds.observe(time.perf_counter() - start)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self._token is not None and path not in OPEN and not self._is_authorized(scope):
            raise problem(401, "the bearer token is missing or wrong")
        if path != "/predict":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                await self._app(scope, receive, send)
        except TimeoutError:
            seconds = self._limits.timeout_seconds
            raise problem(503, f"not finished within {seconds:g} s; send fewer rows") from None

    def _is_authorized(self, scope: Scope) -> bool:
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        assert self._token is not None
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


class _Watched:
    """Records the status that was sent; 0 until then."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class Slots:
    """Predictions in flight: a body takes one only when all of it has arrived."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._most, self._metrics = limits.in_flight, metrics
        self._n_taken = 0

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            Problem: 503 when none is free.
        """
        if self._n_taken >= self._most:
            raise problem(503, f"{self._n_taken} predictions are in flight; try again later")
        self._n_taken += 1
        self._metrics.in_flight.set(self._n_taken)
        try:
            yield
        finally:
            self._n_taken -= 1
            self._metrics.in_flight.set(self._n_taken)


class Bodies:
    """Reads bodies, within the limit of each, of their time, and of all large ones together."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._large_bytes = 0

    @contextlib.asynccontextmanager
    async def read(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes | bytearray]:
        """Yield the whole body, which counts as received until the block ends.

        Raises:
            Problem: 413 too large, 408 too slow, 400 the client disconnected, 503 too many large
                bodies at once.
        """
        length = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            raise self._too_large()
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > self._limits.body_bytes:
                raise self._too_large()
            yield body
            return
        counted = _Counted(self)
        seconds = self._limits.timeout_seconds / 2
        try:
            try:
                async with asyncio.timeout(seconds):
                    await self._read_parts(message, receive, counted)
            except TimeoutError:
                raise problem(408, f"the body did not arrive within {seconds:g} s") from None
            yield counted.body
        finally:
            counted.release()

    async def _read_parts(
        self, message: MutableMapping[str, Any], receive: Receive, counted: "_Counted"
    ) -> None:
        while message["type"] == "http.request":
            counted.add(message.get("body", b""))
            if len(counted.body) > self._limits.body_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return
            message = await receive()
        raise problem(400, "the client disconnected")

    def _too_large(self) -> Problem:
        most = self._limits.body_bytes
        return problem(413, f"the body is larger than {most:,} bytes; send it in parts")

    def count(self, n_bytes: int) -> None:
        """Count bytes of large bodies; refuse more than there is room for."""
        if n_bytes > 0 and self._large_bytes + n_bytes > self._limits.large_bytes:
            raise problem(503, "too many large bodies at once; try again later")
        self._large_bytes += n_bytes


class _Counted:
    """A body, counted once it is large: small ones always have room."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self._n_counted = bodies, 0
        self.body = bytearray()

    def add(self, part: bytes) -> None:
        self.body += part
        if len(self.body) > SMALL_BYTES:
            n_more = len(self.body) - self._n_counted
            self._bodies.count(n_more)
            self._n_counted += n_more

    def release(self) -> None:
        self._bodies.count(-self._n_counted)
        self._n_counted = 0
