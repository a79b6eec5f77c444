"""What a worker process does: it predicts whole files and large bodies, within bounds.

A small body may decode to gigabytes, and reading it may take all of a core: that is done in a
process of its own, which the server kills when it holds too much memory or takes too long, and
which ends once it has grown. The server's own process only ever reads small JSON bodies.
"""

import contextlib
import os
import resource
import socket
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import torch
from threadpoolctl import threadpool_limits

from layerline.model.load import load_bundle
from layerline.serving.answer_ids import new_id
from layerline.serving.json_rows import Refused
from layerline.serving.request_handler import RequestHandler, encode
from layerline.serving.request_log import Answer, Sampling, sample_lines
from layerline.serving.uploads import TooLarge, Unreadable
from layerline.serving.worker_frames import receive_frame, send_frame

NICE = 10  # one row at a time goes first
MEMORY_BYTES = 192 << 20  # resident, beyond what an idle worker holds
GROWN_BYTES = 48 << 20
_RESERVED_BYTES = 2 << 30  # allocators reserve more than they use: what the kernel itself refuses


def predict_uploads(connection: socket.socket, arguments: dict[str, Any]) -> None:
    """Answer bodies until the server closes the connection.

    Args:
        connection: to the server.
        arguments: `bundle`, the model's folder; `version`; `any_value`; `way`, how the model was
            found to predict; `log_sample`, the fields of the request log's `Sampling`.
    """
    _prepare()
    with threadpool_limits(1):
        model = load_bundle(Path(arguments["bundle"]))
        handler = RequestHandler(model, arguments["any_value"], arguments["way"])
        handler.warm()
        process = psutil.Process()
        idle_bytes = process.memory_info().rss
        _limit_memory(_RESERVED_BYTES)
        random = np.random.default_rng()
        with contextlib.suppress(EOFError, OSError):
            send_frame(connection, {"idle_bytes": idle_bytes})
            while True:
                header, body = receive_frame(connection)
                reply, content = _respond(handler, header, bytes(body), arguments, random)
                # Memory goes back with the process.
                is_last = process.memory_info().rss - idle_bytes > GROWN_BYTES
                send_frame(connection, {**reply, "last": is_last}, content)
                if is_last:
                    return


def _prepare() -> None:
    with contextlib.suppress(OSError):
        os.nice(NICE)
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    pa.set_memory_pool(pa.system_memory_pool())  # the other pools reserve more than they use


def _limit_memory(n_bytes: int) -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        return  # not Linux: the time limit is left
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    used = int(lines["VmData"].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + n_bytes, resource.RLIM_INFINITY))


def _respond(
    handler: RequestHandler,
    header: dict[str, Any],
    body: bytes,
    arguments: dict[str, Any],
    random: np.random.Generator,
) -> tuple[dict[str, Any], bytes]:
    """(header, content) of the reply: status 200 with the rows and log lines, or faults."""
    try:
        found = handler.handle(header["content_type"], body)
        content = encode(arguments["version"], found)
        sample = Sampling(*arguments["log_sample"])
        answer = Answer(arguments["version"], new_id(content))
        lines = sample_lines(found, answer, handler.names, sample, random)
    except Unreadable as error:
        return {"status": 400, "faults": [[str(error), None, None]]}, b""
    except Refused as refused:
        return {"status": 422, "faults": [list(fault) for fault in refused.faults]}, b""
    except TooLarge as error:
        return {"status": 413, "faults": [[str(error), None, None]]}, b""
    except MemoryError:
        return {"status": 413, "faults": [[too_large(), None, None]]}, b""
    sizes = [len(line) for line in lines]
    reply = {"status": 200, "n_rows": found.n_rows, "id": answer.id, "log": sizes}
    return reply, content + b"".join(lines)


def too_large() -> str:
    """The message for a body that does not fit in a worker's memory."""
    return (
        f"the body needs more than {MEMORY_BYTES >> 20} MiB of memory when it is decoded; "
        "send fewer rows, and only the model's columns"
    )


def verify_model(connection: socket.socket, arguments: dict[str, Any]) -> None:
    """Verify the model in a folder; reply how it predicts, or why it must not be served.

    Args:
        connection: to the server.
        arguments: `bundle`, the model's folder; `uri`, what messages call it; `any_value`.
    """
    from layerline.errors import LayerlineError
    from layerline.serving.load_model import verified_way

    _prepare()
    with threadpool_limits(1):
        try:
            way = verified_way(arguments["uri"], Path(arguments["bundle"]), arguments["any_value"])
        except LayerlineError as error:
            send_frame(connection, {"refused": str(error)})
        else:
            send_frame(connection, {"way": way})


TASKS = {"predict": predict_uploads, "verify": verify_model}
