"""The one writer of tables: equal content has equal bytes, in whole row groups."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerline.errors import SourceError
from layerline.tables.storage import (
    IMAGES,
    ROW_GROUP,
    TableWriter,
    read_batches,
    read_images,
    write_table,
)


def rows(n_rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"x": rng.normal(size=n_rows), "gap": pa.nulls(n_rows), "i": range(n_rows)})


@pytest.mark.parametrize("n_rows", [0, 1, ROW_GROUP - 1, ROW_GROUP, 2 * ROW_GROUP + 7])
def test_pieces_give_the_bytes_of_the_whole(n_rows: int, tmp_path: Path) -> None:
    table = rows(n_rows)
    write_table(tmp_path / "whole.parquet", table)
    with TableWriter(tmp_path / "pieces.parquet", table.schema) as writer:
        for start in range(0, n_rows, 50_001):
            writer.write(table.slice(start, 50_001))
    assert writer.n_rows == n_rows
    whole = (tmp_path / "whole.parquet").read_bytes()
    assert whole == (tmp_path / "pieces.parquet").read_bytes()
    groups = pq.ParquetFile(tmp_path / "whole.parquet").metadata
    sizes = [groups.row_group(i).num_rows for i in range(groups.num_row_groups)]
    assert sum(sizes) == n_rows
    assert set(sizes[:-1]) <= {ROW_GROUP}


def test_batches_give_the_rows_back(tmp_path: Path) -> None:
    table = rows(ROW_GROUP + 3)
    write_table(tmp_path / "t.parquet", table)
    batches = list(read_batches(tmp_path / "t.parquet", ["i"], 50_000))
    assert max(batch.num_rows for batch in batches) <= 50_000
    assert pa.concat_tables(batches)["i"].to_pylist() == list(range(ROW_GROUP + 3))


def test_batches_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="run the earlier stages first"):
        list(read_batches(tmp_path / "t.parquet"))
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="damaged"):
        list(read_batches(tmp_path / "t.parquet"))


def test_a_frame_is_written_without_its_index(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", pd.DataFrame({"x": [1, 2]}, index=[5, 6]))
    assert pq.read_schema(tmp_path / "t.parquet").names == ["x"]


@pytest.mark.parametrize("dtype", ["V0", "<U0", "S0"])
def test_an_array_whose_items_have_no_bytes_is_refused(dtype: str, tmp_path: Path) -> None:
    """To map one, NumPy divides by zero, which ends the process."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (2, 2), }}\n".encode()
    size = len(text).to_bytes(2, "little")
    (tmp_path / IMAGES).write_bytes(b"\x93NUMPY\x01\x00" + size + text)
    with pytest.raises(SourceError, match=r"cannot be read \(its items have no bytes\)"):
        read_images(tmp_path)


def test_decimals_that_hardly_repeat_are_stored_by_their_bytes(tmp_path: Path) -> None:
    table = rows(ROW_GROUP).append_column("few", pa.array(np.arange(ROW_GROUP) % 7 / 2))
    write_table(tmp_path / "t.parquet", table)
    group = pq.read_metadata(tmp_path / "t.parquet").row_group(0)
    about = {group.column(i).path_in_schema: group.column(i) for i in range(4)}
    assert "BYTE_STREAM_SPLIT" in about["x"].encodings
    assert [about[name].compression for name in ("x", "i", "few")] == ["LZ4", "SNAPPY", "SNAPPY"]
    assert "RLE_DICTIONARY" in about["few"].encodings
    assert pq.read_table(tmp_path / "t.parquet").equals(table.cast(writer_schema(table)))


def writer_schema(table: pa.Table) -> pa.Schema:
    """What the writer makes of a column of nothing."""
    return table.schema.set(1, pa.field("gap", pa.float64()))
