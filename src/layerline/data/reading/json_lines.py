"""JSON lines -> an Arrow table: one object a line, each key a column, no value changed.

Numbers keep the digits they are written with until the whole column is known, so that 2^53 + 1 or
1e400 is treated as in a CSV file. Text stays text, "NA" and the empty string too; only a column
that holds nothing but ISO dates becomes dates, which JSON cannot say.
"""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from layerline.data.reading.parsing import Parsed, date_fields, parse_column
from layerline.errors import DataError, ParamsError, Problem


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


class JsonTable(NamedTuple):
    """The typed columns; `parsed` has the fields that their types cannot hold."""

    table: pa.Table
    parsed: dict[str, Parsed]
    notes: tuple[str, ...]


def read_json_lines(path: Path, encoding: str = "utf-8") -> JsonTable:
    """Read every object.

    Raises:
        DataError: empty, not JSON, a line that is no flat object, a key twice.
        ParamsError: the encoding cannot be.
    """
    columns: dict[str, list[Any]] = {}
    n_rows = 0
    for line, row in _rows(path, encoding):
        for name in row:
            columns.setdefault(name, [None] * n_rows)
        for name, values in columns.items():
            value = row.get(name)
            if isinstance(value, dict | list):
                called = "a list" if isinstance(value, list) else "an object"
                raise DataError(
                    f"{path}: line {line}: {name!r} holds {called} of values; "
                    "write each of them as a column of its own"
                )
            values.append(value)
        n_rows += 1
    if not n_rows:
        raise DataError(f"{path}: the file is empty; give at least one JSON object")
    typed, parsed, notes = {}, {}, []
    for name in columns:
        done = _typed(columns[name], f"{path}: column {name!r}")
        typed[name], parsed[name] = done.values, done
        if done.note:
            notes.append(f"{path}: column {name!r} is kept as text: it holds {done.note}")
    return JsonTable(pa.table(typed), parsed, tuple(notes))


def _rows(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        codec = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    except LookupError:
        message = f"{encoding!r} is not known; JSON lines are utf-8"
        raise ParamsError([Problem("fetch.options.encoding", message)]) from None
    decoder = json.JSONDecoder(
        object_pairs_hook=_once_each,
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=lambda name: _Number(name.replace("Infinity", "inf")),
    )
    line = 0
    try:
        with path.open(encoding=codec, newline="\n") as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    yield line, _object(decoder.decode(text.strip()), path, line)
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
            f"{path}: line {line} is not one JSON object ({reason}); mend it, or get the file "
            "again if it was cut off"
        ) from None


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
    return value


def _typed(values: list[Any], where: str) -> Parsed:
    kinds = {type(value) for value in values} - {type(None)}
    try:
        if kinds == {_Number}:
            return parse_column(
                pa.chunked_array([pa.array(list(map(_plain, values)), pa.string())])
            )
        if kinds <= {bool}:
            kind = pa.bool_() if kinds else pa.float64()
            return Parsed(pa.chunked_array([pa.array(values, kind)]))
        if kinds == {str}:
            return _text(pa.chunked_array([pa.array(values, pa.string())]))
    except UnicodeEncodeError:
        raise DataError(f"{where} has half a surrogate pair, which is no text; mend it") from None
    called = {_Number: "numbers", bool: "true/false", str: "text"}
    mixed = " and ".join(sorted(called[kind] for kind in kinds))
    raise DataError(f"{where} holds {mixed}; give it one type")


def _plain(number: _Number | None) -> str | None:
    return None if number is None else str(number)


def _text(fields: pa.ChunkedArray) -> Parsed:
    """Text as it is, or dates when every field is one."""
    import pyarrow.compute as pc

    return parse_column(fields) if pc.all(date_fields(fields)).as_py() else Parsed(fields)
