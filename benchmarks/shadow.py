"""How often the shadow test promotes a model that is no better, and how soon one that is.

    python benchmarks/shadow.py [--streams 1000]

Streams of rows whose truth arrives one by one; the test is looked at after every row. A/A: both
models are equally good. Gain: the second one is right on one row in a hundred more. The fixed-size
test is a one-sided paired z-test at 5 % that is looked at once, with as many rows as give it a
power of 80 %. Prints Markdown; half a minute.
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from layerline.retraining.sequential_test import bounded_gains, log_wealth

Floats = np.ndarray
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
NEEDED = np.log(20)
Z = 1.6449 + 0.8416  # of 5 % false alarms, and of 80 % power
CHUNK = 100  # streams at a time


class Case(NamedTuple):
    """A way in which rows come; `draw` gives gains in -1..1."""

    name: str
    draw: Draw
    fixed_rows: int = 0  # of the fixed-size test; of A/A: how long streams are


def correctness(differ: float, gain: float) -> Draw:
    """Accuracy: the models differ on a share of the rows, the second is right on `gain` more."""
    limits = ((differ - gain) / 2, differ)

    def draw(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
        chance = generator.random(shape)
        return np.where(chance < limits[0], -1.0, np.where(chance < limits[1], 1.0, 0.0))

    return draw


def squared_errors(spread: float) -> Draw:
    """Regression: errors of equal size that are correlated by half, clipped at three deviations."""

    def draw(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
        shared, first, second = generator.normal(size=(3, *shape)) * spread
        return bounded_gains((shared + first) ** 2 / 2, (shared + second) ** 2 / 2, 9.0)

    return draw


def skewed(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A mean of 0 by many small losses and rare large gains: hard for a normal approximation."""
    return np.where(generator.random(shape) < 0.01, 0.99, -0.01)


def fixed_rows(differ: float, gain: float) -> int:
    """Rows that give the fixed-size test its power."""
    return int(np.ceil(Z**2 * (differ - gain**2) / gain**2))


def first_crossings(case: Case, n_streams: int, n_rows: int) -> Floats:
    """(S,) after how many rows each stream promotes; infinity where it does not."""
    generator, found = np.random.default_rng(0), []
    for _ in range(0, n_streams, CHUNK):
        crossed = log_wealth(case.draw(generator, (CHUNK, n_rows))) >= NEEDED
        found.append(np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1.0, np.inf))
    return np.concatenate(found)[:n_streams]


def quiet(n_streams: int) -> list[str]:
    cases = [
        Case("accuracy, differ on 2 % of the rows", correctness(0.02, 0.0)),
        Case("accuracy, differ on 10 %", correctness(0.10, 0.0)),
        Case("squared errors", squared_errors(1.0)),
        Case("rare large gains, many small losses", skewed),
    ]
    lines = ["| A/A | rows | promoted |", "|---|---:|---:|"]
    for case in cases:
        share = np.isfinite(first_crossings(case, n_streams, 10_000)).mean()
        lines.append(f"| {case.name} | 10,000 | {share:.1%} |")
    return lines


def gains(n_streams: int) -> list[str]:
    lines = [
        "| one point better, differ on | fixed-size test | median | 80 % of the streams "
        "| found by twice the fixed size |",
        "|---|---:|---:|---:|---:|",
    ]
    for differ in (0.02, 0.04, 0.08):
        n_fixed = fixed_rows(differ, 0.01)
        case = Case("", correctness(differ, 0.01), n_fixed)
        crossed = first_crossings(case, n_streams, 4 * n_fixed)
        half, most = np.quantile(crossed, (0.5, 0.8), method="higher")
        share = (crossed <= 2 * n_fixed).mean()
        lines.append(
            f"| {differ:.0%} of the rows | {n_fixed:,} | {half:,.0f} ({half / n_fixed:.2f} x) "
            f"| {most:,.0f} ({most / n_fixed:.2f} x) | {share:.1%} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", type=int, default=1000)
    options = parser.parse_args()
    begin = time.perf_counter()
    print(f"# The shadow test\n\n{options.streams:,} streams, looked at after every row.\n")
    print("\n".join(quiet(options.streams)), "\n", sep="")
    print("\n".join(gains(options.streams)))
    print(f"\n`python benchmarks/shadow.py`: {time.perf_counter() - begin:.0f} s on one core.")


if __name__ == "__main__":
    main()
