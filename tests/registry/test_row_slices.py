import numpy as np
import pandas as pd
import pytest

from layerline.errors import ParamsError
from layerline.registry.row_slices import MOST_LEVELS, slices_of


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
            "same": np.where(np.arange(200) < 150, 0, np.arange(200)),
            "planted": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(200), unit="D"),
        }
    )


@pytest.mark.parametrize(
    ("column", "n_slices"),
    [("soil", 3), ("is wild", 2), ("count", 4), ("size", 5), ("same", 2), ("planted", 4)],
)
def test_each_row_is_in_one_slice(column, n_slices, frame):
    slices = slices_of(frame, [column])
    np.testing.assert_array_equal(sum(part.is_in.astype(int) for part in slices), 1)
    assert len(slices) == n_slices
    assert len({part.name for part in slices}) == n_slices


def test_names_say_what_is_in_them(frame):
    names = [part.name for part in slices_of(frame, ["soil", "count"])]
    assert names == ["soil=clay", "soil=sand", "soil is missing", *(f"count={k}" for k in range(4))]


def test_numbers_of_many_values_are_cut_into_quarters(frame):
    sizes = [part.is_in.sum() for part in slices_of(frame, ["size"])]
    assert sizes == [45, 45, 45, 45, 20]
    levels = pd.DataFrame({"level": np.arange(300) % MOST_LEVELS})
    assert len(slices_of(levels, ["level"])) == MOST_LEVELS


def test_a_column_that_is_not_there_is_told(frame):
    with pytest.raises(ParamsError, match=r"gate\.slices: the test rows have no column 'sol'"):
        slices_of(frame, ["soil", "sol"])
