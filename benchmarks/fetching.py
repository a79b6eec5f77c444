"""Time and peak memory of fetch, from Parquet and from CSV, at several numbers of rows.

    python benchmarks/fetching.py --rows 1e6 3e6 10e6 --kinds parquet csv

makes seeded tables of 28 float columns and a target in a temporary folder, runs the fetch stage's
work on each in a process of its own, and prints a Markdown table.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

N_COLUMNS = 28
CHUNK = 1 << 18


def chunk(rng: np.random.Generator, n_rows: int) -> pa.Table:
    """Normal features with six digits, and a target that depends on the first two."""
    x = rng.normal(size=(n_rows, N_COLUMNS)).round(6)
    columns = {f"x{i}": x[:, i] for i in range(N_COLUMNS)}
    return pa.table({**columns, "target": (x[:, 0] + x[:, 1] > 0).astype(np.int64)})


def make(path: Path, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    schema = chunk(rng, 1).schema
    csv = path.suffix == ".csv"
    with (pacsv.CSVWriter if csv else pq.ParquetWriter)(path, schema) as writer:
        for start in range(0, n_rows, CHUNK):
            writer.write_table(chunk(rng, min(CHUNK, n_rows - start)))


def measure(path: Path) -> None:
    """Fetch `path`; print seconds and the peak memory of this process in MB."""
    from layerline.artifacts import Workspace
    from layerline.config import FetchSection
    from layerline.sources.fetch import fetch

    workspace = Workspace(path.parent / "out")
    section = FetchSection(source="files", options={"path": str(path)})
    start = time.perf_counter()
    fetch(workspace, section)
    seconds = time.perf_counter() - start
    print(f"{seconds:.1f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6, 3e6])
    parser.add_argument("--kinds", nargs="+", default=["parquet", "csv"])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    print("| kind | million rows | file MB | seconds | peak RSS, MB |\n|---|---|---|---|---|")
    for kind in arguments.kinds:
        for n_rows in map(int, arguments.rows):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"t.{kind}"
                make(path, n_rows)
                command = [sys.executable, __file__, "--measure", str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, peak = done.stdout.split()
                size = path.stat().st_size / 1e6
                print(
                    f"| {kind} | {n_rows / 1e6:g} | {size:.0f} | {seconds} | {peak} |", flush=True
                )


if __name__ == "__main__":
    main()
