"""Columns of data/raw, a few at a time: equal to the table's, however many there are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerline.tables import storage
from layerline.validation.schema import raw_columns
from layerline.validation.schema.raw_columns import RawColumns


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(20, 30)), columns=[f"x{i}" for i in range(30)])
    frame["word"] = rng.choice(["a", "b"], 20)
    storage.write_table(tmp_path / storage.TABLE, frame)
    return frame


@pytest.mark.parametrize(("cells", "n_reads"), [(1 << 21, 1), (200, 4), (1, 31)])
def test_columns_are_the_tables_in_few_reads(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, n_reads: int
) -> None:
    reads = []

    def counted(path: Path, columns: list[str]) -> object:
        reads.append(columns)
        return storage.read_batches(path, columns)

    monkeypatch.setattr(raw_columns, "BLOCK_CELLS", cells)
    monkeypatch.setattr(raw_columns, "read_batches", counted)
    columns = RawColumns(tmp_path)
    for name in columns.columns:
        pd.testing.assert_series_equal(columns[name], table[name])
    assert len(reads) == n_reads
    pd.testing.assert_series_equal(columns["x3"], table["x3"])  # an earlier block again


def test_a_column_that_is_not_there(table: pd.DataFrame, tmp_path: Path) -> None:
    columns = RawColumns(tmp_path)
    assert "word" in columns
    assert "words" not in columns
    assert len(columns) == 20
    with pytest.raises(KeyError, match="words"):
        columns["words"]
