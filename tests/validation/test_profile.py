"""A profile of any finite numbers is JSON, whole or streamed, and can be drawn."""

import json

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import to_json
from layerline.config import ValidateSection
from layerline.validation.profile import profile
from layerline.validation.quarantine import validate
from layerline.validation.report.column_cards import column_card
from layerline.validation.schema.infer import infer_schema
from layerline.validation.streaming_profile import Profiler


@pytest.mark.parametrize(
    "values",
    [
        [1e308, -1e308, 1e308, 5.0],
        [1e-320, 2e-320, 0.0, 1.0],
        [5.0, 5.0, 5.0, 5.0],
        [1.0, 1.0 + 2e-16, 1.0, 1.0],
        [1e300, 1e300, 1e300, 1e300],
        [np.nan, np.nan, np.nan, np.nan],
        [2.0**62, 2.0**62 + 1, 0.0, 0.0],
    ],
)
def test_numbers_at_the_edge(values: list[float]) -> None:
    frame = pd.DataFrame({"x": values, "y": [1.0, 2.0, 3.0, 4.0]})
    schema = infer_schema(frame, "y", "regression")
    profiler = Profiler(frame)
    profiler.add(frame)
    for found in (profile(frame), profiler.result()):
        assert json.loads(to_json(found))["columns"]["x"]["missing"] == frame["x"].isna().sum()
        card = column_card("x", found["columns"]["x"], schema)
        assert json.loads(to_json(card))["name"] == "x"
    result = validate(pd.concat([frame] * 30), schema, ValidateSection())
    assert json.loads(to_json(result.report))["n_rows"] == 120


def test_bins_are_what_a_stability_index_needs() -> None:
    rng = np.random.default_rng(0)
    first, later = rng.normal(size=20_000), rng.normal(0.5, 1, size=20_000)
    bins = profile(pd.DataFrame({"x": first}))["columns"]["x"]["bins"]
    assert len(bins["edges"]) == 9
    assert bins["shares"] == pytest.approx([0.1] * 10, abs=1e-3)
    counts = np.bincount(np.searchsorted(bins["edges"], later, side="left"), minlength=10)
    shares, expected = counts / len(later), np.array(bins["shares"])
    index = float(((shares - expected) * np.log(shares / expected)).sum())
    assert index == pytest.approx(0.25, abs=0.05)  # of a shift by half a standard deviation
