"""Run batches of faults, each in a copy of the bench, and count the promises kept."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from faults.bench import Bench, Injected, copy_bench, stop_followers
from faults.catalogue import CATALOGUE, Batch


@dataclass(frozen=True)
class Result:
    """One injected fault; `broken` says which promise was, and how."""

    kind: str
    seed: int
    about: str
    broken: str
    seconds: float


def inject(template: Bench, batch: Batch) -> list[Result]:
    """Inject a batch into one copy, which is gone afterwards; it ends with the first broken one."""
    folder = Path(tempfile.mkdtemp(prefix="layerline-fault-"))
    bench = copy_bench(template, folder / "copy")
    results: list[Result] = []
    try:
        for seed in batch.seeds:
            is_last = seed == batch.seeds[-1]
            results.append(_inject_one(bench, batch.kind, seed, is_last=is_last))
            if results[-1].broken:
                break
    finally:
        stop_followers(bench)
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _inject_one(bench: Bench, kind: str, seed: int, *, is_last: bool) -> Result:
    started = time.monotonic()
    injected, broken = Injected(""), ""
    try:
        injected = CATALOGUE[kind].inject(bench, Random(seed))
        if injected.is_owned or not is_last:
            injected.undo()
        if is_last:
            bench.require_recovery(injected.setting)
    except AssertionError as error:
        broken = f"{injected.about}: {error}" if injected.about else str(error) or repr(error)
    return Result(kind, seed, injected.about, broken, time.monotonic() - started)


def table(results: list[Result]) -> Iterator[str]:
    """The results as lines of a Markdown table, a kind of fault a row."""
    yield "| fault | promise | tries | kept | seconds each |"
    yield "|---|---|---:|---:|---:|"
    for kind, line in CATALOGUE.items():
        own = [result for result in results if result.kind == kind]
        if own:
            kept = sum(not result.broken for result in own)
            each = sum(result.seconds for result in own) / len(own)
            yield f"| {kind} | {line.promise} | {len(own)} | {kept} | {each:.1f} |"
    kept = sum(not result.broken for result in results)
    yield f"| all | | {len(results)} | {kept} | |"
