"""The columns of data/raw, read one by one: a long table needs not fit in memory."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from layerline.tables.storage import read_batches, table_path, to_frame


class RawColumns:
    """The columns of a folder such as data/raw; `columns[name]` reads one."""

    def __init__(self, folder: Path) -> None:
        self._path = table_path(folder)
        about = pq.read_metadata(self._path)
        self._n_rows = int(about.num_rows)
        self.columns: Sequence[str] = list(about.schema.to_arrow_schema().names)

    def __len__(self) -> int:
        return self._n_rows

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> pd.Series:
        return to_frame(pa.concat_tables(read_batches(self._path, [name])))[name]


Columns = pd.DataFrame | RawColumns
