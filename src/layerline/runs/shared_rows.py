"""The test rows that runs share, and their metrics on just these rows.

Rows are matched by `id`, a hash of the row's content: runs with other splits still share some.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.evaluation.bootstrap import expanded_tail, resampled_figures
from layerline.evaluation.metrics import lower_is_better, measure
from layerline.evaluation.predictions import Predictions

PROBABILITY = "probability_"
_TOLERANCE = 1e-4  # of the target's spread: each run stored it standardised, as float32


@dataclass(frozen=True)
class Figure:
    """A value on the shared rows, and its bounds where it is defined on other rows too."""

    value: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Difference:
    """A run's figure minus the first run's, on the same rows, drawn in pairs."""

    value: float
    lower: float
    upper: float
    verdict: str  # "better", "worse", "equal" or "could be chance"


@dataclass(frozen=True)
class SharedRows:
    """Metrics of several runs on the rows that are test rows in all of them.

    `figures` and `differences` are metric -> one entry a run, None where there is none.
    """

    n_rows: int
    n_test_rows: tuple[int, ...]
    figures: Mapping[str, tuple[Figure | None, ...]]
    differences: Mapping[str, tuple[Difference | None, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resampling:
    """How the intervals are drawn."""

    n_resamples: int
    confidence: float
    seed: int


def is_classification(table: pd.DataFrame) -> bool:
    """Whether a run predicted classes, not numbers."""
    return any(str(column).startswith(PROBABILITY) for column in table.columns)


def pair(tables: Sequence[pd.DataFrame], resampling: Resampling) -> SharedRows:
    """Compare runs on the rows they share; the others are compared with the first.

    Args:
        tables: what each run predicted: `id`, `actual`, `prediction` and, for classes,
            `probability_<class>`; all of one kind of task.
        resampling: how the intervals are drawn.
    """
    shared, notes = _shared(tables)
    n_test_rows = tuple(map(len, tables))
    if not len(shared[0]):
        return SharedRows(0, n_test_rows, {}, {}, notes)
    found = list(_predictions(shared))
    figures = [measure(predictions) for predictions in found]
    # The same rows are drawn for each run: their figures are pairs.
    drawn = [
        resampled_figures(predictions, resampling.n_resamples, resampling.seed)
        for predictions in found
    ]
    tail = expanded_tail((1 - resampling.confidence) / 2, len(shared[0]))
    names = list(dict.fromkeys(name for one in figures for name in one))
    return SharedRows(
        n_rows=len(shared[0]),
        n_test_rows=n_test_rows,
        figures={
            name: tuple(
                _figure(values.get(name), draws[name], tail)
                for values, draws in zip(figures, drawn, strict=True)
            )
            for name in names
        },
        differences={
            name: (
                None,
                *(
                    _difference(
                        name,
                        values[name] - figures[0][name],
                        draws[name] - drawn[0][name],
                        tail,
                    )
                    if name in values
                    else None
                    for values, draws in zip(figures[1:], drawn[1:], strict=True)
                ),
            )
            for name in figures[0]
        },
        notes=(*notes, *_classes_notes(tables)),
    )


def _classes_notes(tables: Sequence[pd.DataFrame]) -> Iterator[str]:
    known = [frozenset(classes_of(table)) for table in tables]
    some = sorted(frozenset[str]().union(*known) - known[0].intersection(*known))
    if some:
        yield (
            f"not every run knows the classes {', '.join(some)}: where one is not known, it "
            "counts as predicted with probability 0"
        )


def _shared(tables: Sequence[pd.DataFrame]) -> tuple[list[pd.DataFrame], tuple[str, ...]]:
    """The rows that all tables hold, in one order, except those whose truth differs."""
    keyed = [_by_row(table) for table in tables]
    common = keyed[0].index
    for table in keyed[1:]:
        common = common.intersection(table.index)
    common = common.sort_values()
    aligned = [table.loc[common] for table in keyed]
    agree = np.ones(len(common), dtype=bool)
    for table in aligned[1:]:
        agree &= _same_truth(aligned[0], table)
    n_others = int((~agree).sum())
    notes = (f"{n_others} shared rows are left out: the runs do not agree on their truth",)
    return [table[agree] for table in aligned], notes if n_others else ()


def _by_row(table: pd.DataFrame) -> pd.DataFrame:
    """Indexed by id and, for equal rows, by which of them it is."""
    table = table.sort_values(["id", "actual"], kind="stable")
    return table.set_index([table["id"], table.groupby("id").cumcount().rename("copy")])


def _same_truth(first: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.bool_]:
    if is_classification(first):
        return np.asarray(first["actual"].map(str) == other["actual"].map(str))
    old, new = (np.asarray(table["actual"], dtype=np.float64) for table in (first, other))
    return np.abs(old - new) <= _TOLERANCE * (np.std(old) if len(old) else 0.0)


def _predictions(tables: Sequence[pd.DataFrame]) -> Iterator[Predictions]:
    """Each run's predictions beside one and the same truth: that of the first run."""
    first = tables[0]
    if not is_classification(first):
        actual = np.asarray(first["actual"], dtype=np.float64)
        for table in tables:
            yield Predictions(actual, np.asarray(table["prediction"], dtype=np.float64))
        return
    named = [classes_of(table) for table in tables]
    # A class that a run does not know has probability 0 there.
    classes = list(
        dict.fromkeys([*(c for names in named for c in names), *first["actual"].map(str)])
    )
    index = {name: number for number, name in enumerate(classes)}
    truth = _indices(first["actual"], index)
    for table, names in zip(tables, named, strict=True):
        probabilities = np.zeros((len(table), len(classes)))
        for name in names:
            probabilities[:, index[name]] = table[f"{PROBABILITY}{name}"]
        yield Predictions(truth, _indices(table["prediction"], index), probabilities)


def classes_of(table: pd.DataFrame) -> list[str]:
    """The classes that a run gives probabilities of."""
    columns = (str(column) for column in table.columns)
    return [c.removeprefix(PROBABILITY) for c in columns if c.startswith(PROBABILITY)]


def _indices(labels: "pd.Series[Any]", index: Mapping[str, int]) -> NDArray[np.int64]:
    return np.asarray([index[label] for label in labels.map(str)], dtype=np.int64)


def _figure(value: float | None, draws: NDArray[np.float64], tail: float) -> Figure | None:
    if value is None:
        return None
    known = draws[~np.isnan(draws)]
    if not len(known):
        return Figure(value)
    lower, upper = np.quantile(known, [tail, 1 - tail])
    return Figure(value, float(lower), float(upper))


def _difference(
    name: str, value: float, draws: NDArray[np.float64], tail: float
) -> Difference | None:
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return None
    lower, upper = (float(bound) for bound in np.quantile(draws, [tail, 1 - tail]))
    if not draws.any() and value == 0:
        verdict = "equal"
    elif lower <= 0 <= upper:
        verdict = "could be chance"
    else:
        verdict = "better" if (lower > 0) != lower_is_better(name) else "worse"
    return Difference(value, lower, upper, verdict)
