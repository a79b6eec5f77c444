"""A file that anybody may have sent -> a table, within limits, of the columns that are needed.

For servers: `read_upload` never decodes a column that nobody asked for, and refuses before it
decodes what would take too much memory or time.
"""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from layerline.errors import DataError
from layerline.sources.reading.columnar import open_columnar, reporting_damage
from layerline.sources.reading.decoded import plain_schema
from layerline.sources.reading.delimited import read_fields
from layerline.sources.reading.dialect import USUAL, Dialect
from layerline.sources.reading.limits import UPLOADS, Limits, Meter
from layerline.sources.reading.parquet_file import parquet_schema, read_parquet_batches
from layerline.sources.reading.paths import PARQUET


def read_upload(
    path: Path,
    columns: Collection[str] | None = None,
    *,
    dialect: Dialect = USUAL,
    limits: Limits = UPLOADS,
) -> pa.Table:
    """The rows of one CSV or Parquet file: those of the columns that it has, in its own order.

    The fields of a CSV file are text; Parquet columns keep their types, without dictionaries.

    Args:
        path: the file; its ending names its kind.
        columns: those that are needed; None reads all.
        dialect: how a CSV file is written.
        limits: what reading may cost.

    Raises:
        TooLargeError: beyond a limit.
        DataError: malformed, or a needed column has a type that cannot be used (a list, bytes).
        SourceError: a damaged Parquet file.
    """
    if path.suffix.lower() not in PARQUET:
        return read_fields(path, dialect, columns, limits).table
    stream = open_columnar(path, limits)
    for name, reason in stream.unusable.items():
        if columns is not None and name in columns:
            raise DataError(reason)
    wanted = [name for name in stream.names or () if columns is None or name in columns]
    with reporting_damage(path):
        schema = parquet_schema(path)
        empty = plain_schema(pa.schema([schema.field(name) for name in wanted])).empty_table()
        tables = list(read_parquet_batches(path, wanted, Meter(limits, str(path))))
        return pa.concat_tables(tables) if tables else empty
