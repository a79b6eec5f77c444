"""Run a plan of faults, each in a copy of the bench, and count what was kept."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from faults.bench import Bench, copy_bench, stop_followers
from faults.catalogue import CATALOGUE


@dataclass(frozen=True)
class Result:
    """One injected fault; `broken` says which promise was, and how."""

    kind: str
    seed: int
    about: str
    broken: str
    seconds: float


def inject(template: Bench, kind: str, seed: int) -> Result:
    """Inject one fault into a copy; the copy is gone afterwards."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="layerline-fault-"))
    bench = copy_bench(template, folder / "copy")
    about, broken = "", ""
    try:
        about = CATALOGUE[kind].inject(bench, Random(seed))
    except AssertionError as error:
        broken = str(error) or repr(error)
    finally:
        stop_followers(bench)
        shutil.rmtree(folder, ignore_errors=True)
    return Result(kind, seed, about, broken, time.monotonic() - started)


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
