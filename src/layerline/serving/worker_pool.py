"""The server's side of its worker processes: one at a time takes a body, within its time."""

import contextlib
import select
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from layerline.errors import SourceError
from layerline.serving.column_checks import Fault
from layerline.serving.fork_server import Forked, ForkServer
from layerline.serving.load_model import ServedModel
from layerline.serving.middleware import Problem, problem
from layerline.serving.request_log import NO_SAMPLE, Sampling
from layerline.serving.upload_worker import MEMORY_BYTES, TASKS, too_large
from layerline.serving.worker_frames import receive_frame, send_frame

BODY_SECONDS = 10.0
START_SECONDS = 120.0  # to load the model; on a busy machine it takes longer than most bodies
VERIFY_SECONDS = 300.0
IDLE_SECONDS = 30.0
_MEMORY_CHECK_SECONDS = 0.005


class Reply(NamedTuple):
    """A worker's predictions: the response's body, its rows and id, and lines for the log."""

    content: bytes
    n_rows: int
    id: str
    log_lines: list[bytes]


class WorkerPool:
    """Predicts bodies in a worker process; made before any thread starts.

    Args:
        log_sample: the rows to log.
        body_seconds: how long a worker may take for one body.
    """

    def __init__(
        self, log_sample: Sampling = NO_SAMPLE, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._forks = ForkServer(TASKS)
        self._log_sample, self._body_seconds = log_sample, body_seconds
        self._lock = threading.Lock()
        self._worker: Forked | None = None
        self._served: ServedModel | None = None
        self._idle_bytes = 0  # what the worker holds before its first body; 0: not known yet
        self._last_used = 0.0

    def predict(self, served: ServedModel, content_type: str, body: bytes | bytearray) -> Reply:
        """Predict a body; blocks until it is done.

        Raises:
            Problem: 400, 422 or 413 by its content, 503 when it took too long.
        """
        with self._lock:
            is_reused = self._worker is not None
            try:
                header, content = self._ask(served, content_type, body)
            except EOFError:
                # It may have ended before this body came: that is no fault of the body.
                if not is_reused:
                    raise problem(413, too_large()) from None
                header, content = self._ask_once_more(served, content_type, body)
            self._last_used = time.monotonic()
            if header["last"]:
                self._drop()
        return _read_reply(header, bytes(content))

    def _ask_once_more(
        self, served: ServedModel, content_type: str, body: bytes | bytearray
    ) -> tuple[dict[str, Any], bytearray]:
        try:
            return self._ask(served, content_type, body)
        except EOFError:
            raise problem(413, too_large()) from None

    def _ask(
        self, served: ServedModel, content_type: str, body: bytes | bytearray
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a body to the worker; its reply.

        Raises:
            EOFError: the worker ended: the kernel or an allocator that cannot fail ended it.
            Problem: 413 or 503: it was killed for its memory or its time.
        """
        worker = self._worker_of(served)
        try:
            if not self._idle_bytes:
                worker.connection.settimeout(START_SECONDS)
                self._idle_bytes = receive_frame(worker.connection)[0]["idle_bytes"]
            worker.connection.settimeout(self._body_seconds)
            send_frame(worker.connection, {"content_type": content_type}, body)
            self._wait(worker)
            return receive_frame(worker.connection)
        except MemoryError:
            worker.kill()
            self._drop()
            raise problem(413, too_large()) from None
        except TimeoutError:
            message = f"not finished within {self._body_seconds:g} s; send fewer rows"
            if not self._idle_bytes:
                message = f"the model was not loaded within {START_SECONDS:g} s; send it again"
            worker.kill()
            self._drop()
            raise problem(503, message) from None
        except (EOFError, OSError):
            self._drop()
            raise EOFError from None

    def _wait(self, worker: Forked) -> None:
        """Wait for the reply, while the worker's memory and time are within bounds.

        The kernel's own limits count what allocators reserve, which differs by processor and
        threads; what the worker holds is measured instead.
        """
        end = time.monotonic() + self._body_seconds
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended: its connection tells
            process = psutil.Process(worker.pid)
            while not select.select([worker.connection], [], [], _MEMORY_CHECK_SECONDS)[0]:
                if process.memory_info().rss - self._idle_bytes > MEMORY_BYTES:
                    raise MemoryError
                if time.monotonic() > end:
                    raise TimeoutError

    def _worker_of(self, served: ServedModel) -> Forked:
        """The running worker of this model; another one is replaced, one that ended restarted."""
        if self._worker is not None and (self._served is not served or _has_ended(self._worker)):
            self._drop()
        if self._worker is None:
            self._worker = self._forks.start(
                "predict",
                bundle=str(served.bundle),
                version=served.version,
                any_value=served.handler.any_value,
                way=served.handler.way,
                log_sample=self._log_sample,
            )
            self._served = served
        return self._worker

    def _drop(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker = self._served = None
        self._idle_bytes = 0

    def verify(self, uri: str, bundle: Path, any_value: bool) -> str:
        """How a model predicts, verified in a separate process: it takes the server no time.

        Raises:
            SourceError: it must not be served.
        """
        worker = self._forks.start("verify", uri=uri, bundle=str(bundle), any_value=any_value)
        try:
            worker.connection.settimeout(VERIFY_SECONDS)
            header, _ = receive_frame(worker.connection)
        except TimeoutError:
            worker.kill()
            raise SourceError(
                f"{uri}: not verified within {VERIFY_SECONDS:g} s; this version was not served"
            ) from None
        except (EOFError, OSError):
            raise SourceError(
                f"{uri}: the process that verified it ended; this version was not served"
            ) from None
        finally:
            worker.close()
        if "refused" in header:
            raise SourceError(header["refused"])
        return str(header["way"])

    def end_idle(self) -> None:
        """End the worker where it had nothing to do for a while: its memory goes back."""
        if self._lock.acquire(blocking=False):
            with contextlib.ExitStack() as stack:
                stack.callback(self._lock.release)
                if time.monotonic() - self._last_used >= IDLE_SECONDS:
                    self._drop()

    def forget(self, served: ServedModel) -> None:
        """End the worker of a model that is served no more; it finishes what it is doing."""
        with self._lock:
            if self._served is served:
                self._drop()

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._drop()
        self._forks.close()


def _has_ended(worker: Forked) -> bool:
    worker.connection.setblocking(False)
    try:
        return not worker.connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            worker.connection.setblocking(True)


def _read_reply(header: dict[str, Any], content: bytes) -> Reply:
    if header["status"] != 200:
        raise Problem(header["status"], *(Fault(*fault) for fault in header["faults"]))
    lines, end = [], len(content)
    for size in reversed(header["log"]):
        lines.append(content[end - size : end])
        end -= size
    return Reply(content[:end], header["n_rows"], header["id"], lines[::-1])
