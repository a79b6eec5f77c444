"""How often `layerline drift` is wrong, how often it is right, and what it costs.

    python benchmarks/drift.py [--weeks 1000]

Quiet weeks: 20 columns of every kind (normal, log-normal, whole numbers, gaps, few and many
levels), 5,000 training rows, and new rows of the same distributions; a week with any column called
drifted is a false alarm. Planted: one of the normal columns moves by half a deviation. The joint
test alone: the same columns, of which two normal ones have a correlation of 0.5 or -0.5. Cost: the
real command, in a checkout with a trained model, on a file of a million rows and 100 columns.
Prints Markdown; about three minutes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from checkouts import Checkout, make_checkout  # noqa: E402

from layerline.columns.spec import ColumnSpec  # noqa: E402
from layerline.config import DriftSection  # noqa: E402
from layerline.drift.column_counts import ColumnCounts  # noqa: E402
from layerline.drift.drift_check import compare  # noqa: E402
from layerline.drift.joint_sample import JointSample  # noqa: E402
from layerline.drift.joint_test import tell_apart  # noqa: E402
from layerline.model.bundle import About  # noqa: E402
from layerline.model.column_sketch import sketch  # noqa: E402

N_TRAINING = 5000
N_COLUMNS = 20
Draw = Callable[[np.random.Generator, int], pd.Series]
LAYERLINE = [sys.executable, "-W", "ignore", "-c", "from layerline.cli import main; main()"]


def with_gaps(values: np.ndarray, generator: np.random.Generator) -> pd.Series:
    return pd.Series(values).mask(generator.random(len(values)) < 0.05)


def levels(generator: np.random.Generator, n_rows: int, n_levels: int) -> pd.Series:
    drawn = generator.zipf(1.5, n_rows) % n_levels
    return pd.Series([f"level {level}" for level in drawn])


KINDS: dict[str, Draw] = {
    "normal": lambda g, n: pd.Series(g.normal(size=n)),
    "log-normal": lambda g, n: pd.Series(g.lognormal(size=n)),
    "whole": lambda g, n: pd.Series(g.poisson(3, n)),
    "gaps": lambda g, n: with_gaps(g.normal(size=n), g),
    "few levels": lambda g, n: levels(g, n, 4),
    "many levels": lambda g, n: levels(g, n, 2000),
}
NAMES = [list(KINDS)[at % len(KINDS)] for at in range(N_COLUMNS)]
SPECS = tuple(
    ColumnSpec(str(at), "category", "str")
    if "levels" in name
    else ColumnSpec(str(at), "number", "float64", True)
    for at, name in enumerate(NAMES)
)
ABOUT = About("quiet", "regression", "y", None, SPECS, None)


def alarms(n_rows: int, shift: float, seed: int, min_effect: float) -> list[bool]:
    """Which columns are called drifted in one week; the first moves by `shift` deviations."""
    generator = np.random.default_rng(seed)
    counted = {}
    for at, name in enumerate(NAMES):
        before, now = KINDS[name](generator, N_TRAINING), KINDS[name](generator, n_rows)
        counts = ColumnCounts(sketch(before, is_level="levels" in name))
        counts.add(now + shift if at == 0 and shift else now)
        counted[str(at)] = ("column", counts)
    section = DriftSection(min_effect=min_effect)
    found, _ = compare(counted, "", section.confidence, min_effect)
    return [column.drifted for column in found]


def simulate(weeks: int) -> None:
    print("| rows a week | quiet weeks with an alarm | p-values alone | half a deviation found |")
    print("|---|---|---|---|")
    for n_rows in (100, 1000, 10_000):
        count = weeks if n_rows < 10_000 else weeks // 5
        effect = DriftSection().min_effect
        quiet = np.mean([any(alarms(n_rows, 0.0, seed, effect)) for seed in range(count)])
        plain = np.mean([any(alarms(n_rows, 0.0, seed, 0.0)) for seed in range(count // 5)])
        found = np.mean([alarms(n_rows, 0.5, seed, effect)[0] for seed in range(count // 5)])
        print(f"| {n_rows:,} | {quiet:.1%} of {count:,} | {plain:.1%} | {found:.1%} |", flush=True)


def frame(n_rows: int, seed: int, correlation: float) -> JointSample:
    """Twenty columns of every kind; two of them hang together, or the other way round."""
    generator = np.random.default_rng(seed)
    columns = {str(at): KINDS[name](generator, n_rows) for at, name in enumerate(NAMES)}
    noise = (1 - correlation**2) ** 0.5 * generator.normal(size=n_rows)
    sample = JointSample(ABOUT, ColumnSpec("y", "number", "float64"))
    sample.add(pd.DataFrame({**columns, "6": correlation * columns["0"] + noise}))
    return sample


def p_value(n_rows: int, seed: int, correlation: float) -> float:
    """Of new rows against training rows whose correlation is a half."""
    told = tell_apart(frame(N_TRAINING, 2 * seed, 0.5), frame(n_rows, 2 * seed + 1, correlation))
    assert not isinstance(told, str)
    is_large = told.finding.effect >= DriftSection().min_effect
    return told.finding.p_value if is_large else 1.0


def simulate_joint(weeks: int) -> None:
    print("\n| rows a week | quiet weeks with an alarm | a flipped correlation found |")
    print("|---|---|---|")
    for n_rows in (100, 1000, 10_000):
        quiet = np.mean([p_value(n_rows, seed, 0.5) <= 0.05 for seed in range(weeks)])
        found = np.mean([p_value(n_rows, seed, -0.5) <= 0.05 for seed in range(weeks // 5)])
        print(f"| {n_rows:,} | {quiet:.1%} of {weeks:,} | {found:.1%} |", flush=True)


def table(n_rows: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    numbers = {f"n{at}": generator.normal(size=n_rows) for at in range(80)}
    names = np.array(["red", "green", "blue", "white", "black"])
    words = {f"c{at}": names[generator.integers(0, 5, n_rows)] for at in range(20)}
    return pd.DataFrame({**numbers, **words, "y": numbers["n0"] + generator.normal(size=n_rows)})


def trained(folder: Path) -> Checkout:
    checkout = make_checkout(folder / "checkout")
    table(5_000, 0).to_parquet(checkout.root / "rows.parquet")
    checkout.run(*LAYERLINE, "init", "rows.parquet", "--target", "y", "--project", "wide", "--fast")
    checkout.edit_params(train__epochs=1, evaluate__bootstrap=0, evaluate__baselines=[])
    checkout.run("dvc", "repro", "-q")
    return checkout


def cost(n_rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        checkout = trained(Path(name))
        # In a process of its own: what this one holds would count as its children's peak.
        make = [sys.executable, __file__, "--make", str(checkout.root / "new.parquet")]
        subprocess.run([*make, "--rows", str(n_rows)], check=True)
        print("\n| rows × columns | seconds | of CPU | peak memory |\n|---|---|---|---|")
        for _ in range(2):
            start = time.perf_counter()
            with subprocess.Popen(
                [*LAYERLINE, "drift", "new.parquet", "--json"],
                cwd=checkout.root,
                env=checkout.environment,
                stdout=subprocess.DEVNULL,
            ) as process:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            took = time.perf_counter() - start
            assert process.returncode == 0, process.returncode
            cpu, size = used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6
            print(f"| {n_rows:,} × 100 | {took:.1f} | {cpu:.1f} | {size:.2f} GB |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--make", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        table(options.rows, 1).drop(columns="y").to_parquet(options.make)
        return
    if options.weeks:
        simulate(options.weeks)
        simulate_joint(options.weeks)
    cost(options.rows)


if __name__ == "__main__":
    main()
