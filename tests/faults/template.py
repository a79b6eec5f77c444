"""The project that every fault's copy is made of, and the warm processes of a suite."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from checkouts import Checkout, make_checkout
from faults.bench import Bench, copy_bench, require
from faults.warm import start_server

N_ROWS = 240
# Run once in the template, for how long a warm process takes.
TIMED = (
    *(("python", f"pipeline/{stage}.py") for stage in ("fetch", "validate", "scale")),
    *(("python", f"pipeline/{stage}.py") for stage in ("train", "evaluate", "register")),
    *(("layerline", "rollback"), ("layerline", "promote", "2"), ("layerline", "flush")),
    ("layerline", "predict", "houses.csv", "answers.csv"),
)


@contextmanager
def make_template(folder: Path) -> Iterator[Bench]:
    """The project after `dvc repro` with the past and the present setting, and the hashes."""
    server = start_server(folder.with_name("warm.socket"))
    try:
        bench = Bench(_make_project(folder), folder.with_name("warm.socket"), {}, {})
        _train(bench, "past")
        _train(bench, "present")
        other = copy_bench(bench, folder.with_name("next"))
        _train(other, "next")
        for command in TIMED:
            started = time.monotonic()
            done = other.run(*command)
            other.seconds[" ".join(command)] = time.monotonic() - started
            require(done.code == 0, "the bench itself works", done.output)
        other.stop_all()
        shutil.rmtree(other.root)
        bench.require_arrivals()
        yield bench
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(60)
        with server:  # closes its other pipe
            pass


def _make_project(folder: Path) -> Checkout:
    checkout = make_checkout(folder)
    write_houses(folder / "houses.csv", N_ROWS, 0)
    checkout.run("layerline", "init", "houses.csv", "--target", "price", "--fast")
    checkout.edit_params(
        train__epochs=6,
        train__options={"hidden": [8]},
        train__early_stopping=None,
        train__members={"count": 2, "keep": "all"},  # each on a core, in a fork
        train__schedule={"name": "reduce_on_plateau"},  # no stack has rates of its own
        evaluate__bootstrap=50,
    )
    return checkout


def write_houses(path: Path, n_rows: int, seed: int) -> None:
    rows = Random(seed)
    lines = ["size,age,kind,price"]
    for _ in range(n_rows):
        size, age, kind = rows.gauss(100, 20), rows.randrange(60), rows.choice("abc")
        price = size * 3 - age + 20 * "abc".index(kind) + rows.gauss(0, 5)
        lines.append(f"{size:.2f},{age},{kind},{price:.2f}")
    path.write_text("\n".join(lines) + "\n")


def _train(bench: Bench, setting: str) -> None:
    bench.choose(setting)
    started = time.monotonic()
    done = bench.run("dvc", "repro")
    require(done.code == 0, "the bench itself works", done.output)
    bench.hashes[setting] = bench.trained()
    bench.seconds["dvc repro"] = time.monotonic() - started
    bench.wait_for_followers()
