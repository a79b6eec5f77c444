"""Messages between the server and its worker processes: a JSON header, then bytes."""

import json
import socket
import struct
from typing import Any

_SIZES = struct.Struct("!IQ")  # of the header and of the body


def send_frame(
    connection: socket.socket, header: dict[str, Any], body: bytes | bytearray = b""
) -> None:
    """Send one message."""
    head = json.dumps(header).encode()
    connection.sendall(_SIZES.pack(len(head), len(body)) + head)
    connection.sendall(body)


def receive_frame(connection: socket.socket) -> tuple[dict[str, Any], bytearray]:
    """Receive one message.

    Raises:
        EOFError: the other side closed the connection, or its process ended.
        TimeoutError: the connection's own timeout passed.
    """
    n_head, n_body = _SIZES.unpack(_receive(connection, _SIZES.size))
    return json.loads(_receive(connection, n_head)), _receive(connection, n_body)


def _receive(connection: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    view, start = memoryview(found), 0
    while start < size:
        n_bytes = connection.recv_into(view[start:])
        if not n_bytes:
            raise EOFError
        start += n_bytes
    return found
