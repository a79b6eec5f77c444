"""A real `mlflow server` on loopback for tests, and what may befall it.

It runs in its own session, is stopped by its own pid, and is waited for with a bound.
"""

import contextlib
import http.client
import http.server
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from layerline.tracking.database import make_database

READY_SECONDS = 120.0
LOWEST_GIVEN = 32_768  # Linux's; other systems' are higher


def free_port() -> int:
    """A port that nothing listens at, below those that the kernel gives who asks for any."""
    while True:
        port = random.SystemRandom().randrange(10_000, LOWEST_GIVEN)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@dataclass
class TrackingServer:
    """An `mlflow server` that can be killed and started again on the same port and store."""

    folder: Path
    backend: str = ""  # the store's URI; by default a sqlite file in the folder
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        return self.folder / "server.db"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait()

    def wait(self) -> None:
        """Wait until it answers, with a bound."""
        until = time.monotonic() + READY_SECONDS
        while not self._answers():
            log = (self.folder / "server.log").read_text(errors="replace")[-3000:]
            assert self.process is not None
            assert self.process.poll() is None, f"the server ended: {log}"
            assert time.monotonic() < until, f"the server is not ready: {log}"
            time.sleep(0.2)

    def launch(self) -> None:
        """Start it, and do not wait."""
        assert self.process is None, "it runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.backend or self.database.exists()):
            make_database(self.database)  # the server's own migration takes 8 seconds
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port)]
        command += ["--workers", "1", "--artifacts-destination", str(self.artifacts)]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_"))}
        environment = clean | {
            "MLFLOW_BACKEND_STORE_URI": self.backend or f"sqlite:///{self.database}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # halves the time to get ready
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def fill_disk(self, largest_bytes: int = 0) -> None:
        """Let it write no file larger than this, as if its disk were full."""
        self._limit(largest_bytes)

    def make_room(self) -> None:
        """Undo `fill_disk`."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, n_bytes: int) -> None:
        assert self.process is not None
        main = psutil.Process(self.process.pid)
        for process in [main, *main.children(recursive=True)]:
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (n_bytes, hard))

    def kill(self) -> None:
        """SIGKILL the server and its workers, whatever they are at."""
        process, self.process = self.process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=60)

    def __enter__(self) -> "TrackingServer":
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()


class SlowProxy(http.server.ThreadingHTTPServer):
    """Hands requests on to a server, each after the seconds that `delay` says of its path."""

    daemon_threads = True

    def __init__(self, server: TrackingServer, delay: Callable[[str], float]) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.server = server
        self.delay = delay
        self.n_requests = 0
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "SlowProxy":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self._thread.join(timeout=30)
        self.server_close()


class _Forwarder(http.server.BaseHTTPRequestHandler):
    server: SlowProxy

    def _forward(self) -> None:
        self.server.n_requests += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(self.server.delay(self.path))
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.server.port, timeout=60)
        with contextlib.closing(upstream), contextlib.suppress(OSError):  # a caller may have left
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.getheader("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""
