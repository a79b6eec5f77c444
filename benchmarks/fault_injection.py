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

from faults.bench import Bench, make_template  # noqa: E402
from faults.catalogue import CATALOGUE, plan  # noqa: E402
from faults.runner import Result, inject, table  # noqa: E402


def _inject(task: tuple[Bench, str, int]) -> Result:
    return inject(*task)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=list(CATALOGUE))
    parser.add_argument("--only", type=int, help="the seed of one fault of --kind")
    options = parser.parse_args()
    started, results = time.monotonic(), []
    faults = plan(options.faults, options.seed)
    if options.kind:
        faults = [fault for fault in faults if fault[0] == options.kind]
    if options.only is not None:
        faults = [(options.kind, options.only)]
    with tempfile.TemporaryDirectory(prefix="layerline-faults-") as folder:
        template = make_template(Path(folder) / "template")
        tasks = [(template, *fault) for fault in faults]
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            for result in pool.imap_unordered(_inject, tasks):
                results.append(result)
                sign = "BROKEN" if result.broken else "kept"
                print(
                    f"{len(results)}/{len(faults)} {sign}: {result.kind}, seed {result.seed}, "
                    f"{result.seconds:.1f} s: {result.about or result.broken}",
                    file=sys.stderr,
                    flush=True,
                )
    minutes = (time.monotonic() - started) / 60
    print(f"{len(results)} faults, seed {options.seed}, {minutes:.0f} minutes\n")
    print(*table(results), sep="\n")
    return int(any(result.broken for result in results))


if __name__ == "__main__":
    sys.exit(main())
