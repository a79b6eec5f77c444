"""The rows of a file in chunks, by its suffix; a new format is a function and a line in READERS."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from layerline.columns.convert import convert
from layerline.columns.survey import ColumnType, FieldSurvey
from layerline.errors import DataError, ParamsError, Problem, SourceError
from layerline.model.file_suffix import pick_by_suffix
from layerline.model.image_chunks import IMAGES, is_pictures, read_images, read_pictures
from layerline.model.row_chunk import Chunk, ReadOptions, kept_columns
from layerline.sources.reading.archives import ARCHIVES
from layerline.sources.reading.batches import Stream
from layerline.sources.reading.columnar import open_columnar, reporting_damage
from layerline.sources.reading.compressed import OPENERS
from layerline.sources.reading.decoded import plain_schema
from layerline.sources.reading.delimited import open_fields
from layerline.sources.reading.display_names import renamed
from layerline.sources.reading.limits import FILES, Meter
from layerline.sources.reading.parquet_file import parquet_schema, read_parquet_batches
from layerline.sources.reading.paths import ARROW, DELIMITED, JSON_LINES, PARQUET
from layerline.sources.reading.plain_copy import inner_name, plain_copy
from layerline.sources.reading.reader import open_files
from layerline.sources.reading.spreadsheet import EXCEL
from layerline.tables.storage import to_frame
from layerline.text import first_line

Reader = Callable[[Path, ReadOptions], Iterator[Chunk]]


def read_chunks(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """Yield the rows of a file in order, at least one chunk, which may be empty.

    Memory use is constant: a CSV is read twice where its columns need types, never held.

    Raises:
        ParamsError: the suffix is unknown, the dialect is invalid, or a kept column is missing.
        SourceError: the file is missing or damaged.
        DataError: it is not a well-formed table.
    """
    if is_pictures(path):
        yield from read_pictures(path, options)
        return
    reader = _reader_of(path)
    try:
        with plain_copy(path) as plain:
            names = {str(plain): str(path)}
            shown = replace(options, report=lambda note: options.report(renamed(note, names)))
            yield from reader(plain, shown)
    except DataError as error:
        raise DataError(_as_options(str(error))) from None
    except ParamsError as error:
        problems = [Problem(_as_options(where), message) for where, message in error.problems]
        raise ParamsError(problems, "layerline predict") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read ({first_line(error)})") from None


def _as_options(message: str) -> str:
    return message.replace("fetch.options.", "--")


def check_input(path: Path) -> None:
    """Refuse a file that is missing, or whose suffix is unknown, before any work.

    Raises:
        ParamsError, SourceError: as `read_chunks` does.
    """
    if is_pictures(path):
        return
    _reader_of(path)
    if not path.is_file():
        raise SourceError(f"{path}: file not found")


def _reader_of(path: Path) -> Reader:
    # A single compressed file is read as it is; a workbook has a message of its own.
    if path.name.lower().endswith(ARCHIVES) and path.suffix.lower() not in EXCEL:
        message = f"{path}: is an archive; unpack it, and name one of its files"
        raise ParamsError([Problem("INPUT", message)], "layerline predict")
    others = (*EXCEL, *(f"{DELIMITED[0]}{packed}" for packed in OPENERS))
    return pick_by_suffix(READERS, inner_name(path), "INPUT", others)


def _read_delimited(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    stream = open_fields(path, options.dialect)
    for note in stream.notes:
        options.report(note)
    names = stream.names or ()
    keep = kept_columns(path, names, options.keep)
    kinds = {} if options.as_text else _types(stream, keep)
    schema = pa.schema([(name, pa.string()) for name in names])
    batches = (
        pa.table({name: column.values for name, column in batch.columns.items()}, schema=schema)
        for batch in stream.batches(None)
    )
    for text in _cut(batches, schema, options.rows_of(len(names))):
        yield _chunk(text, keep, kinds)


def _types(stream: Stream, names: Sequence[str]) -> dict[str, ColumnType]:
    """Each column's type, from all of its fields."""
    surveys = {name: FieldSurvey() for name in names}
    for batch in stream.batches(names):
        for name, survey in surveys.items():
            survey.add(batch.columns[name].values)
    return {name: survey.result for name, survey in surveys.items()}


def _read_parquet(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    # A text file cannot hold lists and the like; a Parquet file keeps them.
    unusable = open_columnar(path).unusable if options.as_text else {}
    for name, reason in unusable.items():
        if options.keep is not None and name in options.keep:
            raise DataError(reason)
        options.report(f"{reason}; it is left out")
    found = parquet_schema(path).remove_metadata()
    schema = plain_schema(pa.schema([field for field in found if field.name not in unusable]))
    keep = kept_columns(path, schema.names, options.keep)
    n_rows = options.rows_of(len(schema))
    batches = read_parquet_batches(path, schema.names, Meter(FILES, str(path)), n_rows)
    with reporting_damage(path):
        for table in _cut(_spaced(batches, options.step), schema, n_rows):
            yield _chunk(table, keep, {})


def _spaced(tables: Iterable[pa.Table], step: int) -> Iterator[pa.Table]:
    """Each row whose place is a multiple of `step`; copied, so that the others leave memory."""
    start = 0
    for table in tables:
        places = pa.array(range(-start % step, table.num_rows, step), pa.int64())
        yield table if step == 1 else table.take(places)
        start += table.num_rows


def _read_typed(path: Path, options: ReadOptions) -> Iterator[Chunk]:
    """JSON and Arrow, whose values have types of their own."""
    reading = open_files([path], options.dialect)
    for name, reason in reading.unusable.items():
        if options.keep is not None and name in options.keep:
            raise DataError(reason)
        options.report(f"{reason}; it is left out")
    keep = kept_columns(path, reading.schema.names, options.keep)
    n_rows = options.rows_of(len(reading.schema))
    for table in _cut(reading.tables(), reading.schema, n_rows):
        yield _chunk(table, keep, {})


def _chunk(table: pa.Table, keep: Sequence[str], kinds: Mapping[str, ColumnType]) -> Chunk:
    def fields() -> pa.Table:
        columns = [
            convert(table[name], kinds[name]).values if name in kinds else table[name]
            for name in keep
        ]
        return pa.table(columns, names=list(keep))

    return Chunk(table.num_rows, lambda: to_frame(table), fields)


def _cut(tables: Iterable[pa.Table], schema: pa.Schema, n_rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `n_rows`, the last may be shorter; at least one table."""
    waiting: list[pa.Table] = []
    n_waiting, is_first = 0, True
    for table in tables:
        waiting.append(table.replace_schema_metadata(None))
        n_waiting += table.num_rows
        while n_waiting >= n_rows:
            rows = pa.concat_tables(waiting)
            yield rows.slice(0, n_rows)
            waiting, n_waiting, is_first = [rows.slice(n_rows)], n_waiting - n_rows, False
    if n_waiting or is_first:
        yield pa.concat_tables(waiting or [schema.empty_table()])


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(DELIMITED, _read_delimited),
    **dict.fromkeys(PARQUET, _read_parquet),
    **dict.fromkeys((*ARROW, *JSON_LINES), _read_typed),
    **dict.fromkeys(IMAGES, read_images),
}
