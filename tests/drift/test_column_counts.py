"""A column's rows counted in pieces against the sketch of its training rows."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from layerline.drift.column_counts import ColumnCounts
from layerline.model.column_sketch import ColumnSketch, sketch


def numbers(values: np.ndarray) -> ColumnCounts:
    return ColumnCounts(sketch(pd.Series(values), is_level=False))


def test_pieces_give_the_same_counts_as_the_whole():
    generator = np.random.default_rng(0)
    before, now = generator.normal(size=500), generator.normal(1, 2, 1000)
    whole, pieces = numbers(before), numbers(before)
    whole.add(pd.Series(now))
    for part in np.array_split(now, 7):
        pieces.add(pd.Series(part))
    assert whole.both()[1].tolist() == pieces.both()[1].tolist()
    assert whole.both()[1].sum() == 1000
    assert whole.n_below == int((now < before.min()).sum())
    assert whole.n_above == int((now > before.max()).sum())


@pytest.mark.parametrize("whole", [False, True])
def test_the_distance_is_that_of_scipy(whole):
    generator = np.random.default_rng(0)
    before, now = generator.normal(size=5000), generator.normal(0.8, 3, 4000)
    if whole:
        before, now = before.round(), now.round()
    counts = numbers(before)
    counts.add(pd.Series(now))
    expected = stats.wasserstein_distance(before, now) / before.std()
    assert counts.wasserstein() == pytest.approx(expected, rel=0.02)


def test_a_sketch_survives_json_and_is_small():
    frame = pd.Series(np.random.default_rng(0).normal(size=10_000))
    found = sketch(frame, is_level=False)
    text = json.dumps(dataclasses.asdict(found))
    assert ColumnSketch.from_json(json.loads(text)) == found
    assert len(text) < 2000
    levels = sketch(pd.Series(["b", "a", "b", None]), is_level=True)
    state = json.loads(json.dumps(dataclasses.asdict(levels), sort_keys=True))
    assert list(ColumnSketch.from_json(state).levels) == ["b", "a"]
    assert (levels.n_missing, levels.n_once) == (1, 1)


def test_levels_beyond_the_list_are_not_called_unseen():
    many = sketch(pd.Series([f"id {i}" for i in range(1500)]), is_level=True)
    assert many.n_other == 500
    counts = ColumnCounts(many)
    counts.add(pd.Series(["new"] * 10))
    assert counts.n_unseen == 0
    few = ColumnCounts(sketch(pd.Series(["a", "b"]), is_level=True))
    few.add(pd.Series(["a", "c", "c", None]))
    assert few.unseen() == {"c": 2}
    assert few.n_unseen == 2
    assert few.n_missing == 1


def test_values_that_cannot_be_read_count_as_missing():
    counts = numbers(np.arange(10.0))
    counts.add(pd.Series([1.0, np.nan, 3.0]), np.array([False, True, False]))
    assert (counts.n_rows, counts.n_missing, counts.n_unread) == (3, 1, 1)
