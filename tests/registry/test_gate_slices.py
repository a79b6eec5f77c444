import numpy as np
import pandas as pd
import pytest

from layerline.errors import ParamsError
from layerline.evaluation.slices import slices_of
from layerline.registry.gate_slices import gate_slices


@pytest.fixture
def frame():
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "soil": pd.Series(generator.choice(["clay", "sand"], 200)).where(
                np.arange(200) % 9 > 0, None
            ),
            "is wild": generator.random(200) < 0.5,
            "count": generator.integers(0, 4, 200),
            "size": np.where(np.arange(200) % 10 > 0, generator.normal(size=200), np.nan),
            "id": [f"{i % 40:03d}" for i in range(200)],
            "planted": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(200), unit="D"),
        }
    )


def test_gate_and_report_cut_alike_and_each_row_is_in_one_slice(frame):
    for column in frame.columns:
        slices = gate_slices(frame, [column])
        np.testing.assert_array_equal(sum(part.is_in.astype(int) for part in slices), 1)
        expected = [f"{column}={level}" for level, _ in slices_of(frame[column])]
        assert [part.name for part in slices] == expected


def test_the_names_of_slices(frame):
    names = [part.name for part in gate_slices(frame, ["soil", "is wild"])]
    assert sorted(names) == sorted(
        ["soil=clay", "soil=sand", "soil=(missing)", "is wild=False", "is wild=True"]
    )


def test_an_unknown_column_is_refused(frame):
    with pytest.raises(ParamsError, match=r"gate\.slices\.1: .*no column 'sol'; did you mean"):
        gate_slices(frame, ["soil", "sol"])
