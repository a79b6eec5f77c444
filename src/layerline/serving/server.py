"""The process: one uvicorn server that shuts down gracefully and polls the alias on SIGHUP."""

import asyncio
import dataclasses
import gc
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
from layerline.process import collect_rarely, return_freed_memory
from layerline.serving.app import build_app
from layerline.serving.draining import DrainingServer
from layerline.serving.http_protocol import BoundedHttp
from layerline.serving.live_model import LiveModel
from layerline.serving.load_model import parse_source
from layerline.serving.middleware import Limits
from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.request_log import NO_SAMPLE, RequestLog, Sampling
from layerline.serving.shadow import Shadow, ShadowedLog
from layerline.serving.worker_pool import WorkerPool

SHUTDOWN_SECONDS = 30
KEEP_ALIVE_SECONDS = 75  # longer than a usual load balancer's, which must close first
MIN_TOKEN = 16
# A thread that loads a new champion releases the interpreter after this, not after 5 ms.
SWITCH_SECONDS = 0.0005


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of `layerline serve`."""

    model_uri: str
    host: str = "127.0.0.1"
    port: int = 8000
    poll_seconds: float = 5.0
    token_env: str | None = None
    any_value: bool = False
    log: Path | None = None
    log_sample: float = 0.01
    log_id: str | None = None
    shadow: str | None = None
    limits: Limits = dataclasses.field(default_factory=Limits)


def read_token(name: str | None) -> str | None:
    """The token in an environment variable.

    Raises:
        ParamsError: it is unset, or too short for a secret.
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
    """Bind before a model is loaded, so that a port in use is reported at once.

    Raises:
        BusyError: the port is in use.
        ParamsError: this machine has no such address.
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


def serve(settings: Settings, home: Path, report: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first.

    Raises:
        ParamsError: the token, the address or --shadow is invalid.
        BusyError: the port is in use.
        TrackingError: there is no such model, or the store is unavailable.
        SourceError: its bytes were changed.
    """
    if settings.shadow is not None and settings.log is None:
        message = "its predictions go to the request log; name one with --request-log FILE"
        raise ParamsError([Problem("--shadow", message)], "layerline serve")
    limits = dataclasses.replace(settings.limits, token=read_token(settings.token_env))
    # Forked before a socket is open or a thread runs.
    sample = Sampling(settings.log_sample, settings.log_id) if settings.log else NO_SAMPLE
    workers = WorkerPool(sample)
    metrics = Metrics()
    shadow = _shadow(settings, home, metrics, report)
    listener = open_socket(settings.host, settings.port)
    collect_rarely()
    return_freed_memory()
    gc.freeze()  # what is imported is never collected; the models that come are
    torch.set_num_threads(1)  # rows are few; a second thread costs more than it gains
    with listener, threadpool_limits(1):
        source = parse_source(settings.model_uri)
        live = LiveModel(
            source, home, metrics, report, any_value=settings.any_value, workers=workers
        )
        # Not before: its thread loads the shadow, and two imports of MLflow at once fail.
        log = _log(settings.log, sample, metrics, shadow)
        app = build_app(
            live,
            limits,
            metrics,
            workers,
            log=log,
            poll_seconds=settings.poll_seconds if source.alias else 0.0,
            on_start=_on_hangup,
        )
        host, port = listener.getsockname()[:2]
        if limits.token is None and not _is_local(host):
            report(f"note: {host} is reachable from outside and requires no token; see --token-env")
        name = f"[{host}]" if ":" in host else host
        report(f"{source.uri} version {live.current.version} on http://{name}:{port}/docs")
        sys.setswitchinterval(SWITCH_SECONDS)
        make_server(app).run(sockets=[listener])
    workers.close()


def _log(
    path: Path | None, sample: Sampling, metrics: Metrics, shadow: Shadow | None
) -> RequestLog | None:
    if path is None:
        return None
    if shadow is None:
        return RequestLog(path, sample, metrics)
    return ShadowedLog(path, sample, metrics, shadow)


def _shadow(
    settings: Settings, home: Path, metrics: Metrics, report: Callable[[str], None]
) -> Shadow | None:
    if settings.shadow is None:
        return None
    if settings.log_id is None:
        report("note: --shadow without --log-id: labels cannot be joined to what is logged")
    return Shadow(parse_source(settings.shadow), home, metrics, report)


def make_server(app: Callable[..., object]) -> uvicorn.Server:
    """The server of an application; it drains its connections before it ends."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        date_header=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return DrainingServer(config)


def _on_hangup(asked: asyncio.Event) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)


def _is_local(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
