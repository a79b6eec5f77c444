"""A table of data/validated, of which never more than a few columns are in memory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layerline.errors import SourceError
from layerline.tables.storage import read_batches, to_frame
from layerline.text import first_line


class StoredTable:
    """A Parquet file that a stage wrote; `table[names]` reads whole columns.

    Raises:
        SourceError: the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            metadata = pq.read_metadata(path)
        except FileNotFoundError:
            message = f"{path}: missing; run the earlier stages first: `dvc repro`"
            raise SourceError(message) from None
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{path}: damaged ({first_line(error)}); run `dvc repro -f`"
            ) from None
        self._n_rows = metadata.num_rows
        self.names = tuple(metadata.schema.to_arrow_schema().names)

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, names: list[str]) -> pd.DataFrame:
        return to_frame(pa.concat_tables(read_batches(self.path, names)))


class ChosenRows:
    """Rows of a stored table at the positions (B,), which rise; `rows[names]` reads columns."""

    def __init__(self, table: StoredTable, positions: NDArray[np.integer]) -> None:
        self._table = table
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, names: list[str]) -> pd.DataFrame:
        pieces, start = [], 0
        for rows in read_batches(self._table.path, names):
            ends = np.searchsorted(self._positions, [start, start + rows.num_rows])
            pieces.append(rows.take(pa.array(self._positions[ends[0] : ends[1]] - start)))
            start += rows.num_rows
        return to_frame(pa.concat_tables(pieces))
