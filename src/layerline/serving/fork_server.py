"""Processes forked from one that has imported everything and started no thread.

A fork shares the memory of what was imported and starts in a moment; a fork of the server itself,
whose threads hold locks, would hang. Nothing is pickled: a task gets its name, JSON arguments and a
socket. All of them end with the server, whichever way that ends.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

Task = Callable[[socket.socket, dict[str, Any]], None]
_MESSAGE = 1 << 16
_PR_SET_PDEATHSIG = 1
_PID_BYTES = 8


class Forked(NamedTuple):
    """A process, and the connection to it."""

    connection: socket.socket
    pid: int

    def close(self) -> None:
        """Let it end when it is done; its number may belong to another process then."""
        self.connection.close()

    def kill(self) -> None:
        """End it at once, while it is known to run."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.connection.close()


class ForkServer:
    """Forks at once, when it is made: that must be before any thread starts."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            _run(theirs, _serve, tasks)
        theirs.close()
        self._control, self._lock = ours, threading.Lock()

    def start(self, task: str, **arguments: Any) -> Forked:
        """Run a task in a new process.

        Raises:
            EOFError: the fork server has ended.
        """
        ours, theirs = socket.socketpair()
        message = json.dumps({"task": task, **arguments}).encode()
        with theirs, self._lock:
            try:
                socket.send_fds(self._control, [message], [theirs.fileno()])
                answer = self._control.recv(_PID_BYTES)
            except OSError:
                answer = b""
        if not answer:
            ours.close()
            raise EOFError("the process that forks workers has ended")
        return Forked(ours, int.from_bytes(answer, "big"))

    def close(self) -> None:
        """End it; its processes end when their connections close."""
        self._control.close()


def _serve(control: socket.socket, tasks: Mapping[str, Task]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps them
    gc.freeze()  # collections would copy the pages that forks share
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 1)
        if not message:
            return
        pid = os.fork()
        if not pid:
            connection = socket.socket(fileno=descriptors[0])
            arguments = json.loads(message)
            _run(connection, tasks[arguments.pop("task")], arguments)
        os.close(descriptors[0])
        control.sendall(pid.to_bytes(_PID_BYTES, "big"))


def _run(
    connection: socket.socket, task: Callable[[socket.socket, Any], None], arguments: Any
) -> NoReturn:
    """Do the task in a process just forked, which then ends without the parent's own clean-up."""
    code = 1
    try:
        # The server ends its processes when it has no more use for them, not a signal to all.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _end_with_parent()
        _close_others(connection.fileno())
        task(connection, arguments)
        code = 0
    finally:
        os._exit(code)


def _end_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):  # Linux only; elsewhere the socket tells
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _close_others(kept: int) -> None:
    """Close what was open at the fork: a listening socket would keep its port in use."""
    last = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, kept)
    os.closerange(kept + 1, min(last, 1 << 16))
