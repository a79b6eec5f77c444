"""A stage in a fork of the warm process, which this one then stands for.

The variable LAYERLINE_STAGE_SERVER names that process's socket; `off` starts none. Whatever
prevents a fork, the stage runs here instead: nothing depends on the warm process. Signals that
arrive here are passed on, the fork's exit status is this process's, and its death ends the fork.

Imports nothing heavy: it is all that a warm stage imports itself.
"""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from layerline.stage.surroundings import surroundings

PLACE = "LAYERLINE_STAGE_SERVER"
OFF = "off"
GO = b"\0"  # from here on the fork has the work
LENGTH_BYTES = 8
_ANSWER_SECONDS = 60.0  # until the warm process has imported what it must
_PASSED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")

_is_fork = False


def mark_as_fork() -> None:
    """Say that this process is a fork of the warm one: the stage it runs, it runs itself."""
    global _is_fork
    _is_fork = True


def run_warm(name: str) -> int | None:
    """Run this script in a fork of the warm process; return its exit code, None if it ran nowhere.

    A fork that was ended by a signal ends this process by the same one.
    """
    place = os.environ.get(PLACE, OFF)
    if place == OFF or _is_fork:
        return None
    request = {
        "script": sys.argv[0],
        "arguments": sys.argv,
        "all_arguments": sys.orig_argv,
        "executable": sys.executable,
        "paths": sys.path,
        "environment": dict(os.environ),
        "surroundings": surroundings(),
    }
    try:
        server = ask(place, request, (0, 1, 2))
    except (OSError, EOFError) as error:
        if os.environ.get("LAYERLINE_DEBUG") == "1":
            _print(f"{name}: runs by itself: {error}")
        return None
    with server, _passing_signals(server) as passed:
        status = read_status(server) if begin(server) else None
    if status is None:  # killed, and the fork with it: as if this stage were started again
        _print(f"{name}: the warm process has ended; this stage is started again")
        for number in passed:
            signal.raise_signal(number)
        return None
    if status < 0:
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status if status >= 0 else 128 - status


def ask(place: str, request: Mapping[str, Any], streams: tuple[int, int, int]) -> socket.socket:
    """Ask for a fork, which waits for `begin`.

    Raises:
        OSError: there is no warm process.
        EOFError: it has ended, or says why there is no fork.
    """
    content = json.dumps(request).encode()
    server = socket.socket(socket.AF_UNIX)
    try:
        server.settimeout(_ANSWER_SECONDS)
        server.connect(place)
        socket.send_fds(server, [len(content).to_bytes(LENGTH_BYTES, "big")], streams)
        server.sendall(content)
        answer = _read_line(server)
        if answer is None or answer["refusal"] is not None:
            raise EOFError("it has ended" if answer is None else answer["refusal"])
        server.settimeout(None)
    except BaseException:
        server.close()
        raise
    return server


def begin(server: socket.socket) -> bool:
    """Let the fork begin; whether there is anybody to begin."""
    with contextlib.suppress(OSError):
        server.sendall(GO)
        return True
    return False


def read_status(server: socket.socket) -> int | None:
    """Wait for the fork's end: its exit code, or minus its signal; None where it was lost."""
    answer = None
    with contextlib.suppress(OSError):
        answer = _read_line(server)
    return None if answer is None else int(answer["status"])


@contextlib.contextmanager
def _passing_signals(server: socket.socket) -> Iterator[list[int]]:
    passed: list[int] = []

    def send(number: int, frame: FrameType | None) -> None:
        passed.append(number)
        with contextlib.suppress(OSError):
            server.send(bytes([number]))

    numbers = [getattr(signal, name) for name in _PASSED]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, send) for number in heard}
    try:
        yield passed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def receive(client: socket.socket, n_bytes: int) -> bytes:
    """Exactly so many bytes.

    Raises:
        EOFError: the connection ended before.
    """
    parts = bytearray()
    while len(parts) < n_bytes:
        part = client.recv(n_bytes - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _read_line(server: socket.socket) -> dict[str, Any] | None:
    """A line of JSON; None at the end of the connection."""
    line = b""
    while not line.endswith(b"\n"):
        part = server.recv(4096)
        if not part:
            return None
        line += part
    found: dict[str, Any] = json.loads(line)
    return found


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - on the way to a stage's messages
