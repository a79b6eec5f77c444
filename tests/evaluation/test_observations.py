"""Copies of rows are one observation: intervals do not narrow because a feed repeats itself."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from layerline.config import Component, ScaleSection
from layerline.evaluation.bootstrap import interval, metric_intervals
from layerline.evaluation.observations import observation_groups
from layerline.evaluation.predictions import Predictions

COPIES, ROWS = 10, 60


def numbers() -> Predictions:
    generator = np.random.default_rng(0)
    actual = generator.normal(size=ROWS)
    return Predictions(actual, actual + generator.normal(0, 0.5, ROWS))


def test_ten_copies_of_each_row_leave_every_interval_as_it_is() -> None:
    once = numbers()
    rows = np.repeat(np.arange(ROWS), COPIES)
    fed = dataclasses.replace(once.take(rows), groups=rows)
    expected, found = (metric_intervals(p, 400, 0.95, 3) for p in (once, fed))
    for name, bounds in expected.items():
        assert dataclasses.astuple(found[name]) == pytest.approx(dataclasses.astuple(bounds)), name
    apart = metric_intervals(dataclasses.replace(fed, groups=None), 400, 0.95, 3)["mae"]
    assert found["mae"].upper - found["mae"].lower > 2.5 * (apart.upper - apart.lower)


def test_groups_of_one_row_change_nothing() -> None:
    losses = numbers().row_losses("mae")
    plain = interval(losses, 300, 0.95, 1)
    assert interval(losses, 300, 0.95, 1, np.arange(ROWS)[::-1]) == plain


def test_rows_belong_together_as_the_split_has_it() -> None:
    frame = pd.DataFrame({"patient": ["a", "a", "b", None, None], "x": range(5)})
    ids = np.arange(5)
    assert observation_groups(ids, frame, ScaleSection()) is ids
    by_patient = ScaleSection(split=Component(name="group", options={"column": "patient"}))
    keyed = ScaleSection(split=Component(name="hash", options={"keys": ["patient"]}))
    for section in (by_patient, keyed):
        groups = observation_groups(ids, frame, section)
        assert groups[0] == groups[1] != groups[2] != groups[3] == groups[4]
