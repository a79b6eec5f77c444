"""A real HTTP server of files on loopback, which can fail in the ways that servers do."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Behaviour:
    """What the server has, and how it answers."""

    files: dict[str, bytes] = field(default_factory=dict)
    status: list[int] = field(default_factory=list)  # the answers to come before a good one
    cut_after: list[int] = field(default_factory=list)  # bodies to be cut off, after so many bytes
    ranges: bool = True  # whether it can begin in the middle
    tags: bool = True  # whether it says which version it has
    swap: dict[str, bytes] = field(default_factory=dict)  # what a file becomes once it was read
    sizes: bool = True  # whether it says how long a file is
    n_gets: int = 0
    starts: list[int] = field(default_factory=list)  # the first byte of each body that was sent
    authorizations: list[str | None] = field(default_factory=list)


class FileServer(http.server.ThreadingHTTPServer):
    """Serves `behaviour.files`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour = Behaviour()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


@contextlib.contextmanager
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(timeout=30)
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        behaviour = self.server.behaviour
        behaviour.authorizations.append(self.headers.get("Authorization"))
        name = self.path.lstrip("/")
        if with_body and behaviour.status:
            self.send_error(behaviour.status.pop(0))
            return
        if name not in behaviour.files:
            self.send_error(404)
            return
        content = behaviour.files[name]
        first, last = self._range(len(content))
        body = content[first : last + 1]
        self.send_response(206 if "Range" in self.headers and behaviour.ranges else 200)
        if "Range" in self.headers and behaviour.ranges:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        if behaviour.sizes:
            self.send_header("Content-Length", str(len(body)))
        if behaviour.tags:
            self.send_header("ETag", f'"{hash(content)}"')
        self.send_header("Connection", "close")
        self.end_headers()
        if with_body:
            behaviour.n_gets += 1
            if behaviour.cut_after:
                body = body[: behaviour.cut_after.pop(0)]
            behaviour.starts.append(first)
            with contextlib.suppress(OSError):
                self.wfile.write(body)
            if name in behaviour.swap:
                behaviour.files[name] = behaviour.swap.pop(name)

    def _range(self, length: int) -> tuple[int, int]:
        asked = self.headers.get("Range")
        if asked is None or not self.server.behaviour.ranges:
            return 0, length - 1
        first, _, last = asked.removeprefix("bytes=").partition("-")
        return int(first), min(int(last or length), length - 1)

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""
