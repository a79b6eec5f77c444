"""The columns of data/raw, read a few at a time: a long table needs not fit in memory."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from layerline.tables.storage import read_batches, table_path, to_frame

BLOCK_CELLS = 1 << 21  # read at once: opening a file of thousands of columns takes long


class RawColumns:
    """The columns of a folder such as data/raw; `columns[name]` reads one, and its neighbours."""

    def __init__(self, folder: Path) -> None:
        self._path = table_path(folder)
        about = pq.read_metadata(self._path)
        self._n_rows = int(about.num_rows)
        self.columns: Sequence[str] = list(about.schema.to_arrow_schema().names)
        self._places = {name: place for place, name in enumerate(self.columns)}
        self._block = pd.DataFrame()

    def __len__(self) -> int:
        return self._n_rows

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> pd.Series:
        if name not in self._block:
            n_columns = max(1, BLOCK_CELLS // max(self._n_rows, 1))
            start = self._places[name] // n_columns * n_columns
            names = self.columns[start : start + n_columns]
            self._block = pd.DataFrame()  # before the next is read: one at a time in memory
            self._block = to_frame(pa.concat_tables(read_batches(self._path, names)))
        return self._block[name]


Columns = pd.DataFrame | RawColumns
