"""Inject faults by seed into the pipeline and its commands; print each promise with its tries.

    python benchmarks/fault_injection.py [--faults 1000] [--seed 0] [--workers 2] [--kind NAME]

The faults are those of tests/faults/catalogue.py. A broken promise is shown with its kind and
seed; `--kind NAME --only SEED` injects that one alone. The table goes to
benchmarks/results/faults.md.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "tests"), str(HERE / "src")]

from faults.bench import Bench  # noqa: E402
from faults.catalogue import CATALOGUE, Batch, plan  # noqa: E402
from faults.runner import Result, inject, table  # noqa: E402
from faults.template import make_template  # noqa: E402


def _inject(task: tuple[Bench, Batch]) -> list[Result]:
    return list(inject(*task))


def _show(result: Result, n_done: int) -> None:
    sign = "BROKEN" if result.broken else "kept"
    about = result.broken or result.about
    line = f"{n_done} {sign}: {result.kind}, seed {result.seed}, {result.seconds:.1f} s: {about}"
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=list(CATALOGUE))
    parser.add_argument("--only", type=int, help="the seed of one fault of --kind")
    options = parser.parse_args()
    started = time.monotonic()
    results: list[Result] = []
    batches = [b for b in plan(options.faults, options.seed) if options.kind in (None, b.kind)]
    if options.only is not None:
        batches = [Batch(options.kind, (options.only,))]
    with (
        tempfile.TemporaryDirectory(prefix="layerline-faults-") as folder,
        make_template(Path(folder) / "template") as template,
        multiprocessing.get_context("spawn").Pool(options.workers) as pool,
    ):
        for found in pool.imap_unordered(_inject, [(template, batch) for batch in batches]):
            for result in found:
                results.append(result)
                _show(result, len(results))
    minutes = (time.monotonic() - started) / 60
    print(f"seed {options.seed}, {options.workers} workers, {minutes:.1f} minutes\n")
    print(*table(results), sep="\n")
    return int(any(result.broken for result in results))


if __name__ == "__main__":
    sys.exit(main())
