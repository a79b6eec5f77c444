"""The end of a server: what was sent to it before is answered, not reset."""

import asyncio
import contextlib
import socket
import time

import uvicorn

from layerline.serving.http_protocol import BoundedHttp

QUIET_SECONDS = 0.2  # without a new request: whoever had sent one has been heard
DRAIN_SECONDS = 2.0  # callers that never stop are cut off after this
_STEP = 0.05


class DrainingServer(uvicorn.Server):
    """Goes on accepting and answering until it is quiet, then ends as uvicorn does.

    Closing a socket resets connections that wait to be accepted and requests that wait to be read.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop accepting, read what has arrived, and end."""
        # Each connection is closed after its next response: clients that keep asking move on.
        self.server_state.default_headers.append((b"connection", b"close"))
        await self._until_quiet(DRAIN_SECONDS)
        for server in self.servers:
            server.close()
        await self._until_quiet(DRAIN_SECONDS)
        with contextlib.suppress(asyncio.CancelledError):
            await super().shutdown(sockets)

    async def _until_quiet(self, most_seconds: float) -> None:
        until = time.monotonic() + most_seconds
        n_requests, quiet_since = -1, time.monotonic()
        while time.monotonic() < until:
            is_new = self.server_state.total_requests != n_requests
            if is_new or any(_is_unread(c) for c in list(self.server_state.connections)):
                n_requests, quiet_since = self.server_state.total_requests, time.monotonic()
            if time.monotonic() - quiet_since > QUIET_SECONDS:
                return
            await asyncio.sleep(_STEP)


def _is_unread(connection: object) -> bool:
    return isinstance(connection, BoundedHttp) and connection.has_unread
