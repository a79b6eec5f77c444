"""A real PostgreSQL as the store, stopped at once and started again while journals are sent."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import arrivals
from faults.bench import Bench, Injected, require, require_no_defect
from postgres import is_installed, postgresql

N_RESTARTS = 6


def restart_postgres(bench: Bench, rng: Random) -> Injected:
    """Six restarts while stages flush; then each event is in the database once."""
    if not is_installed():
        return Injected("no PostgreSQL is installed", "next")
    bench.choose("next")
    with _no_earlier_journals(bench), postgresql() as server:
        store = server.new_database()
        for _ in range(N_RESTARTS):
            running = bench.start("python", "pipeline/scale.py", MLFLOW_TRACKING_URI=store)
            flushing = bench.start("layerline", "flush", MLFLOW_TRACKING_URI=store)
            time.sleep(rng.uniform(0.0, 3.0))
            server.restart()
            for one in (running, flushing):
                require_no_defect(one.outcome())
        done = bench.run("layerline", "flush", MLFLOW_TRACKING_URI=store)
        require(done.code == 0, "a restarted database gets the rest", done.output)
        arrivals.check_arrivals(bench.root, store)
    return Injected(f"{N_RESTARTS} restarts", "next")


@contextmanager
def _no_earlier_journals(bench: Bench) -> Iterator[None]:
    """The copy's journals went to its own store: they are not missing in this one."""
    journals = bench.root / ".layerline" / "journals"
    kept = journals.with_name("kept")
    journals.rename(kept)
    try:
        yield
    finally:
        bench.wait_for_followers()
        shutil.rmtree(journals)
        kept.rename(journals)
