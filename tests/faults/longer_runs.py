"""Faults in what runs for long: a server under requests, a retraining, a study."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from random import Random

from faults.bench import HANGS_SECONDS, Bench, Injected, Running, require, require_no_defect
from faults.template import N_ROWS, write_houses
from servers import free_port

ROW = {"size": 101.5, "age": 12, "kind": "b"}
BODY = json.dumps([ROW]).encode()


def ask(port: int, body: bytes = BODY, kind: str = "application/json") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/predict", body, {"content-type": kind})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _started(bench: Bench) -> tuple[Running, int, bytes]:
    """A server, its port, and its answer."""
    port = free_port()
    options = ("--port", str(port), "--poll", "0.5")
    running = bench.start("layerline", "serve", "models:/houses@champion", *options)
    return running, port, wait_for_answer(running, port)


def wait_for_answer(running: Running, port: int) -> bytes:
    """A server's first answer."""
    until = time.monotonic() + HANGS_SECONDS
    while time.monotonic() < until:
        with suppress(OSError, HTTPException):
            status, answer = ask(port)
            require(status == 200, "a server answers", answer)
            return answer
        require(not running.ends_within(0.2), "a server starts", running.output.read_text())
    raise AssertionError("no answer")


def _stop_for_a_while(bench: Bench, rng: Random, running: Running, port: int) -> None:
    os.kill(running.pid, signal.SIGSTOP)
    time.sleep(rng.uniform(0.1, 1.0))
    os.kill(running.pid, signal.SIGCONT)


def _without_its_store(bench: Bench, rng: Random, running: Running, port: int) -> None:
    store, kept = bench.root / "mlflow.db", bench.root / "kept.db"
    shutil.copy(store, kept)
    if rng.random() < 0.5:
        store.unlink()
    else:
        store.write_bytes(b"")
    time.sleep(rng.uniform(0.0, 1.5))
    is_made_anew = store.exists() and store.stat().st_size > 0
    os.replace(kept, store)
    require(not is_made_anew, "a server makes no store")


def _damaged_version(bench: Bench, rng: Random, running: Running, port: int) -> None:
    """A file of the version that is served is flipped in the registry."""
    path = bench.pick_file(rng, "CHAMPION/artifacts/bundle/*")
    before = path.read_bytes()
    content = bytearray(before or b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))
    os.kill(running.pid, signal.SIGHUP)
    time.sleep(rng.uniform(0.0, 1.0))
    path.write_bytes(before)


def _hostile_body(bench: Bench, rng: Random, running: Running, port: int) -> None:
    kind = rng.choice(["application/json", "text/csv", "application/x-npy", "image/png", "nothing"])
    body = rng.choice(
        [
            rng.randbytes(rng.randrange(1, 2000)),
            b"[" * rng.randrange(1, 5000),
            b"size,age,kind\n" + b"1,2," * rng.randrange(1, 500),
            json.dumps([{**ROW, rng.choice(["size", "age"]): "x" * 500}]).encode(),
            json.dumps([{"size": 1e400, "age": None, "kind": {}}]).encode(),
        ]
    )
    status, answer = ask(port, body, kind)
    require(400 <= status < 500, "a hostile body is refused", f"{kind} {body[:80]!r} {answer!r}")


def _half_sent(bench: Bench, rng: Random, running: Running, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        whole = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n" + BODY
        connection.sendall(whole[: rng.randrange(1, len(whole))])
        time.sleep(rng.uniform(0.0, 0.3))


SERVED: dict[str, Callable[[Bench, Random, Running, int], None]] = {
    "stopped and resumed": _stop_for_a_while,
    "its store gone or emptied": _without_its_store,
    "a version's file flipped": _damaged_version,
    "a hostile body": _hostile_body,
    "a request cut off": _half_sent,
}
N_SERVED = 10


def disturb_server(bench: Bench, rng: Random) -> Injected:
    """Ten faults in one server; it gives the same answer after each, and ends when it is asked."""
    running, port, answer = _started(bench)
    names = [rng.choice(sorted(SERVED)) for _ in range(N_SERVED)]
    for name in names:
        SERVED[name](bench, rng, running, port)
        status, now = ask(port)
        require((status, now) == (200, answer), "the server answers as before", f"{name} {now!r}")
    number = rng.choice((signal.SIGTERM, signal.SIGINT, signal.SIGKILL))
    os.kill(running.pid, number)
    done = running.outcome()
    require_no_defect(done)
    # uvicorn raises the signal again once it has ended in order.
    ends_well = done.code in (0, 130, 143, -number)
    require(ends_well, "a server ends when it is asked", f"{done.code}\n{done.output}")
    return Injected(f"{', '.join(names)}; {signal.Signals(number).name}")


def kill_retraining(bench: Bench, rng: Random) -> Injected:
    """Kill a retraining on more rows; one champion, and put back the table is what it was."""
    table = bench.root / "houses.csv"
    before = table.read_bytes()
    write_houses(table, N_ROWS + 60, seed=0)
    running = bench.start("layerline", "retrain")
    wait, number = rng.uniform(0, 1.5 * bench.seconds["dvc repro"]), rng.choice((9, 15, 2))
    if not running.ends_within(wait):
        with suppress(ProcessLookupError):
            os.kill(running.pid, number)
    require_no_defect(running.outcome())
    bench.wait_for_followers()
    table.write_bytes(before)
    require(bench.n_champions() == 1, "there is exactly one champion")
    return Injected(f"retrain: {signal.Signals(number).name} after {wait:.1f} s")


STUDY = """\
space:
  train.optimizer.learning_rate: {low: 0.001, high: 0.1, log: true}
  train.batch_size: [16, 32, 64]
objective: valid.rmse
trials: 8
"""


def kill_study(bench: Bench, rng: Random) -> Injected:
    """Kill a search, or its workers; done again each planned trial is there once."""
    (bench.root / "search.yaml").write_text(STUDY)
    done = bench.run("dvc", "repro", "scale")
    require(done.code == 0, "the bench itself works", done.output)
    n_workers, number = rng.choice((1, 2)), rng.choice((9, 15, 2))
    command = ("layerline", "study", "run", "search.yaml", "--workers", str(n_workers))
    running = bench.start(*command)
    wait = rng.uniform(0.5, 8.0)
    if not running.ends_within(wait):
        with suppress(ProcessLookupError):
            os.kill(running.pid, number)
    require_no_defect(running.outcome())
    again = bench.run(*command)
    require_no_defect(again)
    require(again.code == 0, "a study that was killed completes", again.output)
    lines = (bench.root / "reports" / "studies" / "search" / "trials.csv").read_text()
    numbers = [line.partition(",")[0] for line in lines.splitlines()[1:]]
    require(numbers == [str(at) for at in range(8)], "each trial is there once", lines)
    return Injected(f"study run, {n_workers} workers: {signal.Signals(number).name}, {wait:.1f} s")
