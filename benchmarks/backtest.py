"""What `layerline backtest` costs: 52 weeks of a table of 20,000 rows, through every policy.

    python benchmarks/backtest.py [--rows 20000] [--folder FOLDER]

Sales whose price follows from other things after half a year, and ever less from one column. The
real commands in a real checkout, by the params of `layerline init --fast`. With a folder it can be
killed and started again, and goes on where it was. Prints Markdown.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from checkouts import Checkout, make_checkout  # noqa: E402

N_WEEKS = 52
LAYERLINE = [sys.executable, "-W", "ignore", "-c", "from layerline.cli import main; main()"]
COMMAND = [*LAYERLINE, "backtest", "--by", "sold", "--every", "week", "--json"]


def sales(n_rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    week = np.sort(generator.integers(0, N_WEEKS, n_rows))
    x = generator.normal(size=(n_rows, 10))
    shop = generator.choice(["north", "south", "east", "web"], n_rows)
    fading = 1 - week / N_WEEKS
    price = 3 * fading * x[:, 0] + np.where(week < N_WEEKS // 2, 2, -2) * x[:, 1]
    price += (shop == "web") * x[:, 2] + generator.normal(0, 0.5, n_rows)
    sold = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * week + week % 7, unit="D")
    columns = {f"x{at}": x[:, at] for at in range(10)}
    return pd.DataFrame({"sold": sold, "shop": shop, **columns, "price": price})


def prepare(folder: Path, n_rows: int) -> Checkout:
    if (folder / "checkout" / "data" / "validated").is_dir():
        return Checkout(folder / "checkout")
    checkout = make_checkout(folder / "checkout")
    sales(n_rows).to_parquet(checkout.root / "sales.parquet")
    init = ["init", "sales.parquet", "--target", "price", "--project", "sales", "--fast"]
    checkout.run(*LAYERLINE, *init)
    checkout.run("dvc", "repro", "-q", "validate")
    return checkout


def run(checkout: Checkout) -> None:
    start = time.perf_counter()
    with subprocess.Popen(
        COMMAND, cwd=checkout.root, env=checkout.environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        policies = json.loads(process.stdout.read())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    print("| policy | live rmse | gain over never | trainings | their seconds |")
    print("|---|---|---|---|---|")
    for policy in policies:
        gain = f"{policy['gain_lower']:+.3f} to {policy['gain_upper']:+.3f}"
        cells = (policy["policy"], f"{policy['live_score']:.3f}", gain, policy["trainings"])
        print(f"| {' | '.join(map(str, cells))} | {policy['seconds']:.0f} |")
    took, cpu = time.perf_counter() - start, used.ru_utime + used.ru_stime
    print(f"\n{took / 60:.1f} minutes, {cpu / 60:.1f} of CPU, {used.ru_maxrss / 1e6:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run(prepare(options.folder or Path(name), options.rows))


if __name__ == "__main__":
    main()
