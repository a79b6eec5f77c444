"""How long validation of a large table takes, and how much memory: time linear, memory flat.

    python benchmarks/validating.py --rows 1000000 3000000 10000000   # 28 float columns
    python benchmarks/validating.py --rows 50000 --columns 2000

Makes each table with a seeded generator, validates it in a fresh process as the stage does (rules,
flags, profile, page, data/validated), and prints a Markdown table. Needs 5 GB of disk for 10
million rows.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from layerline.artifacts import Workspace, replace_folder
from layerline.config import ValidateSection
from layerline.tables.storage import TableWriter, group_rows, to_frame
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw

SCHEMA = Path("data/schemas/large.yaml")


def rows(generator: np.random.Generator, n_rows: int, n_columns: int) -> pa.Table:
    columns = {f"x{i}": generator.normal(size=n_rows) for i in range(n_columns)}
    columns["y"] = (columns["x0"] + generator.normal(size=n_rows) > 0).astype(np.int64)
    return pa.table(columns)


def make(workspace: Workspace, n_rows: int, n_columns: int) -> None:
    generator = np.random.default_rng(0)
    first = rows(generator, 10_000, n_columns)
    write_schema(workspace.root / SCHEMA, infer_schema(to_frame(first), "y", "binary"))
    about = {"kind": "table", "source": "files", "target": "y", "task": "binary"}
    about |= {"split_column": None, "origin": {}}
    size = group_rows(n_columns)
    with (
        replace_folder(workspace.raw, about) as folder,
        TableWriter(folder / "table.parquet", first.schema) as writer,
    ):
        for start in range(0, n_rows, size):
            writer.write(rows(generator, min(size, n_rows - start), n_columns))


def measure(root: Path) -> None:
    """In the measured process: print seconds and the peak of its resident memory."""
    wall, cpu = time.perf_counter(), time.process_time()
    validate_raw(Workspace(root), ValidateSection(), SCHEMA)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.perf_counter() - wall
    print(json.dumps({"wall": seconds, "cpu": time.process_time() - cpu, "peak_mb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 3_000_000])
    parser.add_argument("--columns", type=int, default=28)
    parser.add_argument("--folder", type=Path, help="where the tables are made; default: /tmp")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    print(f"`python {' '.join(sys.argv)}`\n")
    print("| rows | columns | seconds | CPU seconds | µs a row | peak memory (MB) |")
    print("|---:|---:|---:|---:|---:|---:|")
    for n_rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            make(Workspace(Path(folder)), n_rows, arguments.columns)
            done = subprocess.run(
                [sys.executable, __file__, "--measure", folder],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        found = json.loads(done.stdout)
        print(
            f"| {n_rows:,} | {arguments.columns} | {found['wall']:.1f} | {found['cpu']:.1f} | "
            f"{1e6 * found['wall'] / n_rows:.1f} | {found['peak_mb']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
