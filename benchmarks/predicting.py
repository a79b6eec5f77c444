"""Rows a second: in process beside the limit of the machine, and files through `layerline predict`.

    python benchmarks/predicting.py [--rows 1000000]

A 30-256-256-1 network in float32. The limit in process is the rate of its own three matrix
products, measured alone. The files are made, registered and predicted in a fresh checkout. Prints
Markdown; about three minutes on a quiet machine.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from checkouts import Checkout, make_checkout  # noqa: E402

from layerline.networks import build_network  # noqa: E402
from layerline.training.device import prepare_torch  # noqa: E402
from layerline.training.inference import PREDICT_BATCH, predict  # noqa: E402

N_FEATURES = 30
SIZES = (N_FEATURES, 256, 256, 1)
FLOP_A_ROW = sum(2 * a * b for a, b in itertools.pairwise(SIZES))
LAYERLINE = [sys.executable, "-W", "ignore", "-c", "from layerline.cli import main; main()"]


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some runs, after one to warm up."""
    run()
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return min(took)


def in_process(n_rows: int, threads: int) -> None:
    """The network's forward pass through `training.predicting`, and its products alone."""
    prepare_torch(0, threads)
    x = torch.randn(n_rows, N_FEATURES)
    options = {"hidden": list(SIZES[1:-1])}
    network = build_network("mlp", options, input_shape=(N_FEATURES,), d_out=1)
    weights = [torch.randn(a, b) for a, b in itertools.pairwise(SIZES)]
    inputs = [torch.randn(PREDICT_BATCH, size) for size in SIZES[:-1]]
    n_batches = n_rows // PREDICT_BATCH

    @torch.inference_mode()
    def products() -> None:
        for _ in range(n_batches):
            for matrix, weight in zip(inputs, weights, strict=True):
                torch.mm(matrix, weight)

    forward = best(lambda: predict(network, x), 5)
    limit = best(products, 5) / n_batches / PREDICT_BATCH
    rate = FLOP_A_ROW / limit / 1e9
    print(
        f"| in process, {threads} thread{'s' * (threads > 1)} | {n_rows / forward:,.0f} | "
        f"{1 / limit:,.0f} ({rate:.0f} GFLOP/s at {FLOP_A_ROW:,} FLOP a row) | "
        f"{n_rows / forward * limit:.0%} |",
        flush=True,
    )


def table(n_rows: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n_rows, N_FEATURES)).round(4)
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(N_FEATURES)])
    frame["y"] = (x @ np.linspace(-1, 1, N_FEATURES)).round(4)
    return frame


def make_version(root: Path) -> Checkout:
    checkout = make_checkout(root / "checkout")
    table(4000, 0).to_csv(checkout.root / "bench.csv", index=False)
    checkout.run(*LAYERLINE, "init", "bench.csv", "--target", "y", "--fast", "--project", "bench")
    checkout.edit_params(
        train__options={"hidden": list(SIZES[1:-1])}, evaluate__bootstrap=0, train__epochs=2
    )
    checkout.run("dvc", "repro")
    return checkout


PREDICT = """
import resource, sys, time
from pathlib import Path
from layerline.registry.predict import load_registered, predict_file
from layerline.process import keep_freed_memory
keep_freed_memory()
load_registered(sys.argv[1], Path())  # what is imported and opened once is not the files' time
start = time.perf_counter()
report = predict_file(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path())
took = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"found {report.n_rows} {took} {peak}")
"""


def files(checkout: Checkout, n_rows: int) -> None:
    """Each pair of formats: rows a second of a whole run, and the peak of its memory."""
    frame = table(n_rows, 1).drop(columns="y")
    frame.insert(0, "id", np.arange(n_rows))
    frame.to_csv(checkout.root / "in.csv", index=False)
    frame.to_parquet(checkout.root / "in.parquet", index=False)
    for source in ("in.csv", "in.parquet"):
        for output in ("out.csv", "out.parquet"):
            command = [sys.executable, "-W", "ignore", "-c", PREDICT, "models:/bench@champion"]
            done = subprocess.run(
                [*command, source, output],
                cwd=checkout.root,
                env=checkout.environment,
                capture_output=True,
                text=True,
                check=True,
            )
            found = re.search(r"found (\d+) (\S+) (\S+)", done.stdout)
            assert found, done.stderr
            size = (checkout.root / source).stat().st_size / 2**20
            print(
                f"| {source[3:]} ({size:.0f} MiB) to {output[4:]} | "
                f"{int(found[1]) / float(found[2]):,.0f} | {float(found[3]):,.0f} MiB |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_rows = parser.parse_args().rows
    cores = os.cpu_count() or 1
    print(f"`python benchmarks/predicting.py --rows {n_rows}`, {cores} cores\n")
    print("| 30-256-256-1, float32 | rows/s | its products alone, rows/s | share |")
    print("|---|---|---|---|")
    for threads in sorted({1, cores}):
        in_process(min(n_rows, 500_000), threads)
    with tempfile.TemporaryDirectory(prefix="layerline-bench-") as name:
        checkout = make_version(Path(name))
        print("\n| `layerline predict` | rows/s | peak memory |\n|---|---|---|")
        files(checkout, n_rows)


if __name__ == "__main__":
    main()
