"""Other work in a fork of the warm process, asked for by the command that owns it or by a fork.

Whatever prevents the fork, there is none: whoever asks does the work as if there were no warm
process.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layerline.stage.warm_client import OFF, PLACE, ask, begin, read_status


class WarmFork:
    """A fork with pipes; as much of `subprocess.Popen` as is needed."""

    def __init__(self, server: socket.socket, stdin: int, stdout: int) -> None:
        self._server = server
        self.stdin, self.stdout = open(stdin, "wb", buffering=0), open(stdout, "rb", buffering=0)  # noqa: SIM115
        self._status: int | None = None

    def __enter__(self) -> "WarmFork":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stdin.close()
        self.stdout.close()
        self.wait()

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end: its exit code, or minus its signal; None where it was lost.

        One that has not ended after `seconds` is ended.
        """
        if self._server.fileno() >= 0:
            self._server.settimeout(seconds)
            self._status = read_status(self._server)
            self._server.close()
        return self._status

    def kill(self) -> None:
        """End it at once."""
        self._server.close()


def start_fork(
    environment: Mapping[str, str], request: Mapping[str, Any], stderr: int = 2
) -> WarmFork | None:
    """Start a fork of the warm process that the environment names; None where there is none.

    Args:
        environment: the fork's.
        request: `script` and, where a package must not have been imported, `without`; or `call`
            (`module:function`) and its `arguments`, which are text.
        stderr: the descriptor of its stderr.
    """
    place = environment.get(PLACE, OFF)
    if place == OFF:
        return None
    arguments = [request.get("script", request.get("call"))]
    content = {
        "arguments": arguments,
        "all_arguments": [sys.executable, *arguments],
        "executable": sys.executable,
        "environment": dict(environment),
        **request,
    }
    (stdin, to_stdin), (from_stdout, stdout) = os.pipe(), os.pipe()
    try:
        server = ask(place, content, (stdin, stdout, stderr))
        begin(server)  # one that is lost shows as the end of its output
        return WarmFork(server, to_stdin, from_stdout)
    except (OSError, EOFError):
        os.close(to_stdin)
        os.close(from_stdout)
        return None
    finally:
        os.close(stdin)
        os.close(stdout)


def call_warm(environment: Mapping[str, str], function: str, *arguments: str | Path) -> Any | None:
    """Call `module:function` in a fork; its result, which is JSON. None where that failed."""
    request = {"call": function, "arguments": list(map(str, arguments))}
    fork = start_fork(environment, request)
    if fork is None:
        return None
    with contextlib.closing(fork.stdin), contextlib.closing(fork.stdout):
        try:
            content = fork.stdout.read()
            return json.loads(content) if fork.wait() == 0 else None
        finally:
            fork.kill()
