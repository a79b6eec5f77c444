"""uvicorn's HTTP/1.1 connection, with bounds on what comes before and between bodies.

httptools keeps a header until it ends, however long it is, and copies it with every piece that
arrives: one endless header would take the whole event loop.
"""

import asyncio
import fcntl
import struct
import termios
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 << 10
HEAD_SECONDS = 15.0
_HEAD = (
    b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n"
)


class BoundedHttp(HttpToolsProtocol):
    """Closes connections whose request line and headers are too long or take too long."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0  # since the last head, piece of a body or request was complete
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; see the class."""
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._head_bytes:
            return
        if self._head_bytes > HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large", "the headers are too long")
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _progress(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._progress()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body came."""
        self._progress()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._progress()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._progress()
        super().connection_lost(exc)

    def _too_slow(self) -> None:
        self._timer = None
        self._refuse(b"408 Request Timeout", "the headers did not arrive in time")

    def _refuse(self, status: bytes, message: str) -> None:
        self._progress()
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                fault = {"row": None, "field": None, "message": message}
                body = orjson.dumps({"detail": [fault]})
                self.transport.write(_HEAD % (status, len(body)) + body)
            self.transport.close()

    @property
    def has_unread(self) -> bool:
        """Whether bytes have arrived that were not read yet."""
        return _unread_bytes(self.transport) > 0


def _unread_bytes(transport: asyncio.BaseTransport) -> int:
    found = transport.get_extra_info("socket")
    if found is None or found.fileno() < 0:
        return 0
    size = struct.pack("i", 0)
    return int(struct.unpack("i", fcntl.ioctl(found.fileno(), termios.FIONREAD, size))[0])
