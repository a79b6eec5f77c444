"""The process: one uvicorn server that ends in order and looks at the alias on SIGHUP."""

import asyncio
import dataclasses
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import uvicorn
from threadpoolctl import threadpool_limits

from layerline.errors import BusyError, ParamsError, Problem
from layerline.process import keep_freed_memory
from layerline.serving.app import build_app
from layerline.serving.champion import Followed
from layerline.serving.load_model import find
from layerline.serving.middleware import Limits
from layerline.serving.prometheus import Figures
from layerline.serving.request_log import RequestLog

SHUTDOWN_SECONDS = 30
KEEP_ALIVE_SECONDS = 75  # longer than a usual load balancer's, which must be the first to close
MIN_TOKEN = 16
# A thread that loads a new champion gives the interpreter back after this, not after 5 ms.
SWITCH_SECONDS = 0.0005


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What `layerline serve` was asked for."""

    model_uri: str
    host: str = "127.0.0.1"
    port: int = 8000
    poll_seconds: float = 5.0
    token_env: str | None = None
    any_value: bool = False
    log: Path | None = None
    log_sample: float = 0.01
    limits: Limits = dataclasses.field(default_factory=Limits)


def read_token(name: str | None) -> str | None:
    """The token in an environment variable.

    Raises:
        ParamsError: it is not set, or too short to be a secret.
    """
    if name is None:
        return None
    token = os.environ.get(name, "")
    if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable():
        message = (
            f"the environment variable {name} must hold a token of at least {MIN_TOKEN} printable "
            "characters; make one with `openssl rand -hex 32`"
        )
        raise ParamsError([Problem("--token-env", message)], "layerline serve")
    return token


def open_socket(host: str, port: int) -> socket.socket:
    """Bind before a model is loaded: that the port is taken is told at once.

    Raises:
        BusyError: another program listens there.
        ParamsError: there is no such address here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        if isinstance(error, socket.gaierror) or error.errno not in (13, 98, 48):
            raise ParamsError([Problem("--host", f"{host}: {reason}")], "layerline serve") from None
        raise BusyError(f"{host}:{port}: {reason}; choose another --port") from None
    return listener


def serve(settings: Settings, home: Path, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first.

    Raises:
        ParamsError: the token or the address cannot be.
        BusyError: the port is taken.
        TrackingError: there is no such model, or the store is away.
        SourceError: its bytes were changed.
    """
    limits = dataclasses.replace(settings.limits, token=read_token(settings.token_env))
    listener = open_socket(settings.host, settings.port)
    keep_freed_memory()
    torch.set_num_threads(1)  # rows are few; a second thread costs more than it brings
    figures = Figures()
    log = None if settings.log is None else RequestLog(settings.log, settings.log_sample, figures)
    with listener, threadpool_limits(1):
        source = find(settings.model_uri)
        followed = Followed(source, home, figures, say, any_value=settings.any_value)
        app = build_app(
            followed,
            limits,
            figures,
            log=log,
            poll_seconds=settings.poll_seconds if source.alias else 0.0,
            on_start=_on_hangup,
        )
        host, port = listener.getsockname()[:2]
        if limits.token is None and not _is_local(host):
            say(f"note: {host} is reachable from outside and asks for no token; see --token-env")
        name = f"[{host}]" if ":" in host else host
        say(f"{source.uri} version {followed.current.version} on http://{name}:{port}/docs")
        sys.setswitchinterval(SWITCH_SECONDS)
        _server(app).run(sockets=[listener])


def _server(app: Callable[..., object]) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        date_header=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


def _on_hangup(asked: asyncio.Event) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)


def _is_local(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
