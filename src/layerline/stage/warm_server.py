"""The warm process: it imports what stages import, and forks for each of them.

It starts no thread and computes nothing, so that its forks are what a fresh interpreter is after
its imports. A fork runs the stage's script from its first line, as the process whose place it takes
would; it is killed when that one is. Code that changed since the imports, and any process that was
not started with the same limits, user or variables, gets no fork.

    python -c "..." LISTENER MODULE ...     ends with its stdin, once no fork is left
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from layerline.process import collect_rarely
from layerline.stage.forkable import code_state, why_not_twice
from layerline.stage.forked_process import end_with, take_place, work
from layerline.stage.surroundings import surroundings
from layerline.stage.warm_client import GO, LENGTH_BYTES, receive

_REQUEST_SECONDS = 5.0  # for one that was sent at once
_LOOK_SECONDS = 0.5  # at whether a client was stopped


class _Job(NamedTuple):
    """A stage to fork for: its client, its request, and its three streams."""

    client: socket.socket
    pid: int
    request: dict[str, Any]
    streams: list[int]


class _Fork(NamedTuple):
    client: socket.socket
    client_pid: int
    pid: int
    handle: int


def main() -> None:
    """Import, and serve meanwhile; in a fork, do its work."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    begun, code = surroundings(), code_state()
    collect_rarely()
    job = _Server(listener, begun, code, sys.argv[2:]).serve()
    if job is not None:
        work(job.request)


class _Server:
    def __init__(
        self,
        listener: socket.socket,
        begun: dict[str, Any],
        code: dict[str, Any],
        modules: list[str],
    ) -> None:
        self._listener, self._begun, self._code = listener, begun, code
        self._to_import = modules[::-1]
        self._forks: list[_Fork] = []
        self._stopped: list[_Fork] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, self._hear_owner)
        self._is_open = True
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._handlers = {number: signal.getsignal(number) for number in numbers}
        for number, handler in self._handlers.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, lambda *_: self._close() if self._forks else os._exit(0))

    def serve(self) -> _Job | None:
        """Fork for clients until the owner ends; only a fork gets its job, the others None."""
        while self._is_open or self._forks:
            events = self._selector.select(0 if self._to_import else _LOOK_SECONDS)
            if not events and self._to_import:
                self._import_next()
            for key, _ in events:
                job = key.data()
                if job is not None:
                    return job
            self._stop_with_clients()
        return None

    def _import_next(self) -> None:
        with contextlib.suppress(Exception):  # the stage that needs it meets it itself
            importlib.import_module(self._to_import.pop())
        if threading.active_count() > 1:
            self._close()  # a fork could wait for ever for what a thread holds

    def _close(self) -> None:
        """No new forks; what runs, runs on."""
        if self._is_open:
            self._is_open = False
            self._selector.unregister(self._listener)
            self._selector.unregister(0)
            self._listener.close()

    def _hear_owner(self) -> None:
        if not os.read(0, 1):
            self._close()

    def _accept(self) -> _Job | None:
        if not self._is_open:
            return None
        client, _ = self._listener.accept()
        client.settimeout(_REQUEST_SECONDS)
        job = None
        with contextlib.suppress(EOFError, OSError, ValueError, LookupError, TypeError):
            job = self._read(client)
        if job is None:
            client.close()
            return None
        client.settimeout(None)
        return self._fork(job)

    def _read(self, client: socket.socket) -> _Job | None:
        """What a client asks for, once it has said to begin; None where it gets no fork."""
        head, streams, _, _ = socket.recv_fds(client, LENGTH_BYTES, 3)
        try:
            credentials = client.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
            )
            pid, user, _ = struct.unpack("3i", credentials)
            request = json.loads(receive(client, int.from_bytes(head, "big")))
            is_ours = pid in (os.getppid(), *(fork.pid for fork in self._forks))
            refusal = self._refusal(request, is_ours) if user == os.getuid() else "another user"
            client.sendall(json.dumps({"refusal": refusal}).encode() + b"\n")
            if refusal is None and len(streams) == 3 and client.recv(len(GO)) == GO:
                kept, streams = streams, []
                return _Job(client, pid, request, kept)
            return None
        finally:
            for stream in streams:
                os.close(stream)

    def _refusal(self, request: dict[str, Any], is_ours: bool) -> str | None:
        if code_state() != self._code:
            return "code has changed"
        if is_ours:
            return None
        found = request["surroundings"]
        for name, value in self._begun.items():
            if found[name] != json.loads(json.dumps(value)):
                return f"{name}: not as in the warm process"
        if request["paths"][1:] != sys.path:
            return "the import path: not as in the warm process"
        return why_not_twice(Path(request["script"]), Path(request["paths"][0]))

    def _fork(self, job: _Job) -> _Job | None:
        server = os.getpid()
        gc.freeze()  # collections would copy the pages that forks share
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
        except OSError:  # no more processes
            pid = -1
        if not pid:
            end_with(server)
            self._become(job)
            return job
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for stream in job.streams:
            os.close(stream)
        if pid < 0:
            job.client.close()
            return None
        fork = _Fork(job.client, job.pid, pid, os.pidfd_open(pid))
        self._forks.append(fork)
        self._selector.register(fork.client, selectors.EVENT_READ, lambda: self._hear(fork))
        self._selector.register(fork.handle, selectors.EVENT_READ, lambda: self._end(fork))
        return None

    def _become(self, job: _Job) -> None:
        """Let go of everything that is the server's."""
        for number, stream in enumerate(job.streams):
            os.dup2(stream, number)
            os.close(stream)
        # Its own connection stays open: the client sees the end of this process in any case.
        self._selector.close()
        self._listener.close()
        for fork in self._forks:
            fork.client.close()
            os.close(fork.handle)
        take_place(job.request, job.pid, self._begun["variables"])
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _hear(self, fork: _Fork) -> None:
        """Pass a client's signals on; end the fork of a client that is gone."""
        if fork not in self._forks:
            return  # it ended at the same moment
        try:
            numbers = fork.client.recv(64)
        except OSError:
            numbers = b""
        for number in numbers:
            _send(fork, number)
        if not numbers:
            self._selector.unregister(fork.client)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(fork.pid, signal.SIGKILL)
            _send(fork, signal.SIGKILL)  # it may have no group yet

    def _end(self, fork: _Fork) -> None:
        """Report a fork's exit status to its client."""
        _, status = os.waitpid(fork.pid, 0)
        self._forks.remove(fork)
        self._selector.unregister(fork.handle)
        os.close(fork.handle)
        with contextlib.suppress(KeyError):
            self._selector.unregister(fork.client)
        with contextlib.suppress(OSError), fork.client:
            answer = {"status": os.waitstatus_to_exitcode(status)}
            fork.client.sendall(json.dumps(answer).encode() + b"\n")

    def _stop_with_clients(self) -> None:
        """Stop the forks of stopped clients, which no signal reports; continue them later."""
        are_stopped = [fork for fork in self._forks if _is_stopped(fork.client_pid)]
        for fork in self._forks:
            if (fork in are_stopped) != (fork in self._stopped):
                _send(fork, signal.SIGSTOP if fork in are_stopped else signal.SIGCONT)
        self._stopped = are_stopped


def _is_stopped(pid: int) -> bool:
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return stat.rpartition(b")")[2].split()[0] == b"T"
    return False


def _send(fork: _Fork, number: int) -> None:
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(fork.handle, number)
