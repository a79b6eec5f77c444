"""JSON lines -> batches: one object a line, each key a column, no value changed.

Numbers keep the digits they are written with until the whole column is known, so that 2^53 + 1 or
1e400 is treated as in a CSV file. Text stays text, "NA" and the empty string too; only a column
that holds nothing but ISO dates becomes dates, a type that JSON does not have.
"""

import codecs
import json
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from layerline.errors import DataError, ParamsError, Problem
from layerline.sources.reading.batches import BATCH_ROWS, Batch, Column, Form, Stream
from layerline.sources.reading.json_array import object_texts, rows_of
from layerline.sources.reading.limits import FILES, Meter


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def open_json_lines(path: Path, encoding: str = "utf-8") -> Stream:
    """A file of flat objects; they are checked while they are read.

    Raises:
        DataError: empty; while it is read: not JSON, a line that is not a flat object, a key twice;
            too many keys, or too long a text.
        ParamsError: the encoding cannot be.
    """
    return Stream(path, partial(_batches, path, encoding, _codec(encoding)))


def _batches(
    path: Path, encoding: str, codec: str, columns: Collection[str] | None = None
) -> Iterator[Batch]:
    meter = Meter(FILES, str(path))
    n_rows = 0
    for block in _blocks(_rows(path, encoding, codec, meter)):
        n_rows += len(block)
        yield _batch(block, columns, path, meter)
    if not n_rows:
        raise DataError(f"{path}: the file is empty; give at least one JSON object")


def _blocks(rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """Rows of a batch, by their number and the length of their text."""
    block: list[dict[str, Any]] = []
    n_bytes = 0
    for length, row in rows:
        block.append(row)
        n_bytes += length
        if len(block) == BATCH_ROWS or n_bytes > FILES.batch_bytes:
            yield block
            block, n_bytes = [], 0
    if block:
        yield block


def _batch(
    rows: list[dict[str, Any]], columns: Collection[str] | None, path: Path, meter: Meter
) -> Batch:
    names = list(dict.fromkeys(name for row in rows for name in row))
    meter.check_columns(len(names))
    for name in names:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(f"{path}: the key {name!r} has half a surrogate pair; fix it")
    if columns is not None:
        names = [name for name in names if name in columns]
    where = f"{path}: column "
    found = {name: _column([row.get(name) for row in rows], f"{where}{name!r}") for name in names}
    return Batch(len(rows), found)


def _codec(encoding: str) -> str:
    try:
        return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    except LookupError:
        message = f"{encoding!r} is not known; JSON lines are utf-8"
        raise ParamsError([Problem("fetch.options.encoding", message)]) from None


def _rows(
    path: Path, encoding: str, codec: str, meter: Meter
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The length of each object's text, and the object."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_once_each,
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_read_constant,
    )
    line = 0
    try:
        for line, text in object_texts(path, codec):
            if text.strip():
                value = decoder.decode(text.strip())
                rows = (rows_of(value) if line == 0 else None) or [value]
                for number, row in enumerate(rows, line or 1):
                    if len(text) > meter.limits.value_bytes:
                        _check_texts(row, meter)
                    yield len(text) // len(rows), _object(row, path, number)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not {encoding}: it has the byte 0x{error.object[error.start]:02x} after line "
            f"{line}; save it as UTF-8, or set fetch.options.encoding"
        ) from None
    except (ValueError, RecursionError) as error:
        reason = "it is too deep"
        if isinstance(error, ValueError):
            reason = str(error).partition(": line")[0]
        raise DataError(
            f"{path}: line {line or 1} is not one JSON object ({reason}); fix it, or get the file "
            "again if it was cut off"
        ) from None


def _read_constant(name: str) -> _Number | None:
    """What Python writes beyond JSON: NaN, a gap in a column of any type, and infinities."""
    return None if name == "NaN" else _Number(name.replace("Infinity", "inf"))


def _check_texts(row: Any, meter: Meter) -> None:
    for name, value in row.items() if isinstance(row, dict) else ():
        meter.check_value(len(value) if isinstance(value, str) else 0, name)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has {twice!r} more than once")
    return row


def _object(value: Any, path: Path, line: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f'{path}: line {line} holds no object; write {{"column": value, ...}}')
    for name, item in value.items():
        if isinstance(item, dict | list):
            called = "a list" if isinstance(item, list) else "an object"
            raise DataError(
                f"{path}: line {line}: {name!r} holds {called} of values; "
                "write each of them as a separate column"
            )
    return value


def _column(values: list[Any], where: str) -> Column:
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) > 1:
        called = {_Number: "numbers", bool: "true/false", str: "text"}
        mixed = " and ".join(sorted(called[kind] for kind in kinds))
        raise DataError(f"{where} holds {mixed}; give it one type")
    if kinds <= {bool}:
        return Column(pa.chunked_array([pa.array(values, pa.bool_() if kinds else pa.float64())]))
    form: Form = "text" if kinds == {str} else "numbers"
    plain = [None if value is None else str(value) for value in values]
    try:
        return Column(pa.chunked_array([pa.array(plain, pa.string())]), form)
    except UnicodeEncodeError:
        raise DataError(f"{where} has half a surrogate pair, which is not text; fix it") from None
