"""Run batches of faults, each in a copy of the bench, and count the promises kept."""

import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from faults.bench import Bench, Injected, copy_bench, remove_bench
from faults.catalogue import CATALOGUE, Batch

UNDONE = 0.8


@dataclass(frozen=True)
class Result:
    """One injected fault; `broken` says which promise was, and how."""

    kind: str
    seed: int
    about: str
    broken: str
    seconds: float


def inject(template: Bench, batch: Batch) -> Iterator[Result]:
    """Inject a batch into one copy, which is gone afterwards; it ends with the first broken one."""
    folder = Path(tempfile.mkdtemp(prefix="layerline-fault-"))
    bench = copy_bench(template, folder / "copy")
    try:
        for seed in batch.seeds:
            is_last = seed == batch.seeds[-1]
            result = _inject_one(bench, batch.kind, seed, is_last=is_last)
            yield result
            if result.broken:
                break
    finally:
        remove_bench(bench)


def _inject_one(bench: Bench, kind: str, seed: int, *, is_last: bool) -> Result:
    started = time.monotonic()
    injected, broken = Injected(""), ""
    try:
        rng = Random(seed)
        injected = CATALOGUE[kind].inject(bench, rng)
        # Some damage stays for the one `dvc repro` beside the last.
        if injected.is_owned or (not is_last and rng.random() < UNDONE):
            injected.undo()
        if is_last:
            bench.require_recovery(injected.setting)
    except AssertionError as error:
        broken = f"{injected.about}: {error}" if injected.about else str(error) or repr(error)
    except Exception:  # the suite's own mistake must not end the other batches
        broken = f"{injected.about}: {traceback.format_exc()}"
    return Result(kind, seed, injected.about, broken, time.monotonic() - started)


def table(results: list[Result]) -> Iterator[str]:
    """The results as lines of a Markdown table, a kind of fault a row."""
    yield "| fault | promise | tries | kept | seconds each |"
    yield "|---|---|---:|---:|---:|"
    n_all = n_all_kept = 0
    for kind, line in CATALOGUE.items():
        own = [result for result in results if result.kind == kind]
        if own:
            n_tries = len(own) * line.n_faults
            n_kept = sum(not result.broken for result in own) * line.n_faults
            each = sum(result.seconds for result in own) / n_tries
            yield f"| {kind} | {line.promise} | {n_tries} | {n_kept} | {each:.1f} |"
            n_all, n_all_kept = n_all + n_tries, n_all_kept + n_kept
    yield f"| all | | {n_all} | {n_all_kept} | |"
