"""Seconds and peak memory of fetch, validate and scale, beside the usual pandas script.

    python benchmarks/data.py                       # 1, 3 and 10 million rows, and the wide table
    python benchmarks/data.py --rows 1 3 --no-wide --no-peer --stages scale
    python benchmarks/data.py --rows 10 --no-wide --no-peer --start   # init and schema too

Tables of seeded random numbers with a binary target, as Parquet. Each stage is its own process, as
DVC runs it, with tracking off; its memory is the peak of its resident set. The peer is one process:
read_parquet, train_test_split, StandardScaler, numpy.save. Needs about 7 GB in --folder for ten
million rows, and for the peer 12 GB of memory. Results go to stdout as a Markdown table; keep them
in benchmarks/results/data.md with the command.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "src"))
STAGES = ("fetch", "validate", "scale")
WIDE = (50_000, 2_000)
CHUNK_VALUES = 1 << 22

PARAMS = """\
project: bench
seed: 0
threads: 1
fetch: {source: files, options: {path: %s}, target: target, task: binary}
validate: {schema: data/schemas/bench.yaml}
scale: {}
train: {}
evaluate: {}
register: {}
"""

PEER = """\
import sys
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

frame = pd.read_parquet(sys.argv[1])
assert not frame.isna().any().any() and frame["target"].isin([0, 1]).all()
x, y = frame.drop(columns="target").to_numpy(), frame["target"].to_numpy()
x_rest, x_test, y_rest, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
x_train, x_valid, y_train, y_valid = train_test_split(
    x_rest, y_rest, test_size=0.1875, random_state=0
)
scaler = StandardScaler().fit(x_train)
for name, x, y in (
    ("train", x_train, y_train), ("valid", x_valid, y_valid), ("test", x_test, y_test)
):
    np.save(f"{sys.argv[2]}/{name}_x.npy", scaler.transform(x).astype(np.float32))
    np.save(f"{sys.argv[2]}/{name}_y.npy", y)
"""


class Cost(NamedTuple):
    """What one process took."""

    seconds: float
    megabytes: float


def generate(path: Path, n_rows: int, n_columns: int) -> None:
    """Normal and lognormal columns, float64 holding float32, without gaps."""
    generator = np.random.default_rng(0)
    names = [f"x{column}" for column in range(n_columns)]
    kinds = [(name, pa.float64()) for name in names] + [("target", pa.int64())]
    schema = pa.schema(kinds)
    step = max(CHUNK_VALUES // n_columns, 1)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, step):
            n = min(step, n_rows - start)
            x = generator.standard_normal((n_columns, n), dtype=np.float32).astype(np.float64)
            target = (x[0] + x[1] + generator.standard_normal(n) > 0).astype(np.int64)
            np.exp(x[1::4], out=x[1::4])
            writer.write_table(pa.table([*map(pa.array, x), pa.array(target)], schema=schema))


def prepare(root: Path, table: Path) -> None:
    """A checkout without code: params.yaml and a schema inferred from the first rows."""
    from layerline.validation.schema.infer import infer_schema
    from layerline.validation.schema.schema_file import write_schema

    (root / "params.yaml").write_text(PARAMS % table)
    (root / "data" / "schemas").mkdir(parents=True)
    with pq.ParquetFile(table) as file:
        first = next(file.iter_batches(5_000)).to_pandas()
    write_schema(root / "data/schemas/bench.yaml", infer_schema(first, "target", "binary"))


def measure(command: list[str], folder: Path) -> Cost:
    """Run to the end; wall seconds, and the largest resident set of it and its children."""
    environment = os.environ | {"PYTHONPATH": str(HERE / "src"), "LAYERLINE_TRACKING": "off"}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.perf_counter() - started, usage.ru_maxrss / 1024)


def start(table: Path, root: Path) -> str:
    """`layerline init` of the table, then `layerline schema` of what fetch made of it."""
    layerline = [sys.executable, "-c", "from layerline.cli import main; main()"]
    fetched = root.with_name("started")
    shutil.copytree(root, fetched)
    schema = measure([*layerline, "schema", "--force"], fetched)
    init = measure([*layerline, "init", str(table), "--target", "target", "--force"], fetched)
    shutil.rmtree(fetched)
    costs = (("init", init), ("schema", schema))
    return "; ".join(f"{name} {c.seconds:.1f} s, {c.megabytes:,.0f} MB" for name, c in costs)


def run_table(
    folder: Path,
    n_rows: int,
    n_columns: int,
    timed: tuple[str, ...],
    *,
    has_peer: bool,
    has_start: bool,
) -> str:
    """One table through every stage, and through the peer; its row of the result."""
    table = folder / "table.parquet"
    generate(table, n_rows, n_columns)
    root = folder / "checkout"
    root.mkdir()
    prepare(root, table)
    costs = {}
    for stage in STAGES:
        cost = measure([sys.executable, str(HERE / "pipeline" / f"{stage}.py")], root)
        if stage in timed:
            costs[stage] = cost
        if stage == "fetch" and has_start:
            print(start(table, root), file=sys.stderr)
    shutil.rmtree(root)
    cells = [f"{n_rows:,} × {n_columns:,}"]
    for stage in STAGES:
        cost = costs.get(stage)
        cells.append(f"{cost.seconds:.1f} s, {cost.megabytes:,.0f} MB" if cost else "–")
    whole = sum(cost.seconds for cost in costs.values())
    peak = max(cost.megabytes for cost in costs.values())
    cells += [f"{whole:.1f} s", f"{whole / (n_rows * n_columns) * 28e6:.1f} s", f"{peak:,.0f} MB"]
    if has_peer:
        (folder / "peer").mkdir()
        peer = measure([sys.executable, "-c", PEER, str(table), str(folder / "peer")], folder)
        cells.append(f"{peer.seconds:.1f} s, {peer.megabytes:,.0f} MB")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=float, nargs="*", default=[1, 3, 10], help="in millions")
    parser.add_argument("--no-wide", action="store_true")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--start", action="store_true", help="init and schema, on stderr")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--folder", type=Path, help="where the tables are made and removed again")
    options = parser.parse_args()
    sizes = [(int(millions * 1e6), 28) for millions in options.rows]
    sizes += [] if options.no_wide else [WIDE]
    heads = ["table", *STAGES, "together", "for each million × 28", "peak"]
    heads += [] if options.no_peer else ["pandas + scikit-learn"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for n_rows, n_columns in sizes:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="layerline-data-") as name:
            line = run_table(
                Path(name),
                n_rows,
                n_columns,
                tuple(options.stages),
                has_peer=not options.no_peer,
                has_start=options.start,
            )
            print(line, flush=True)


if __name__ == "__main__":
    main()
