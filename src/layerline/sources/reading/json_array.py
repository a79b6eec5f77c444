"""A JSON file that is one list of objects, or one object of columns, as its rows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from layerline.errors import DataError
from layerline.sources.reading.limits import FILES

_SPACE = re.compile(r"\s*")
_LONGEST = FILES.header_bytes  # of one line
_LARGEST = 2 << 30  # bytes: it is in memory as a whole


def object_texts(path: Path, codec: str) -> Iterator[tuple[int, str]]:
    """(number, text) of each line of JSON lines, or of each object of a list; no value is touched.

    The number is 0 where the text is the whole file: one object.

    Raises:
        DataError: a line or a list that is too large, or a list malformed between its objects.
        UnicodeDecodeError: another encoding.
    """
    with path.open(encoding=codec, newline="\n") as file:
        first = _first_sign(file.read(1 << 16))
        file.seek(0)
        is_one = first == "{" and path.suffix.lower() == ".json"
        if is_one and (whole := _one_object(path, file.readline(), file.read(1))):
            yield 0, whole.read_text(codec)
            return
        file.seek(0)
        if first != "[":
            yield from _lines(file, path)
            return
        if path.stat().st_size > _LARGEST:
            raise DataError(
                f"{path}: a list of objects of more than {_LARGEST >> 30} GB is not read; write it "
                "as JSON lines, one object per line"
            )
        yield from _elements(file.read(), path)


def _lines(file: TextIO, path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise DataError(
                f"{path}: line {number} has more than {_LONGEST >> 20} MB; write one object per "
                "line, and long texts as separate files"
            )
        yield number, line


def _one_object(path: Path, line: str, next_sign: str) -> Path | None:
    """The file, if it is one object, by its first line and whether another one follows."""
    if not next_sign:
        return path
    try:
        json.loads(line)
    except (ValueError, RecursionError):  # the object goes on
        return path if path.stat().st_size <= _LARGEST else None
    return None


def rows_of(value: Any) -> list[dict[str, Any]] | None:
    """The rows of an object of columns; None where it is none.

    Taken are `{"x": [1, 2]}`, `{"x": {"0": 1, "1": 2}}`, both with equally many values in each
    column, `{"columns": [...], "data": [[...]]}`, and a list of rows beside other things, such as
    `{"data": [{"x": 1}]}`: what pandas writes and web services answer.

    Raises:
        ValueError: columns, or rows, of different lengths.

    >>> rows_of({"x": [1, 2], "y": ["a", "b"]})
    [{'x': 1, 'y': 'a'}, {'x': 2, 'y': 'b'}]
    """
    if not isinstance(value, dict) or not value:
        return None
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list):
        return _rows(names, data)
    nested = [item for item in value.values() if isinstance(item, list)]
    tables = [item for item in nested if item and all(isinstance(row, dict) for row in item)]
    if len(tables) == 1:
        return list(tables[0])
    columns = list(value.values())
    if all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        columns = [list(column.values()) for column in columns]
    if not all(isinstance(column, list) for column in columns):
        return None
    if len(lengths := {len(column) for column in columns}) > 1:
        raise ValueError(f"its columns have {min(lengths)} to {max(lengths)} values")
    return _rows(list(value), [list(row) for row in zip(*columns, strict=True)])


def _rows(names: list[Any], rows: list[Any]) -> list[dict[str, Any]]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            raise ValueError(f"row {number} is no list of {len(names)} values, one a column")
    if not all(isinstance(name, str) for name in names):
        raise ValueError("the names of its columns are not text")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _first_sign(text: str) -> str:
    return text.lstrip("\ufeff \t\r\n")[:1]


def _elements(text: str, path: Path) -> Iterator[tuple[int, str]]:
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)  # long numbers cost no time
    place = _after_space(text, text.index("[") + 1)
    number = 0
    while text[place : place + 1] != "]":
        number += 1
        try:
            _, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            raise DataError(f"{path}: object {number} of its list is not JSON; fix it") from None
        yield number, text[place:end]
        place = _after_space(text, end)
        if text[place : place + 1] == ",":
            place = _after_space(text, place + 1)
        elif text[place : place + 1] != "]":
            raise DataError(f"{path}: its list ends after object {number} without a bracket")
    if _after_space(text, place + 1) != len(text):
        raise DataError(f"{path}: something follows its list of {number} objects; remove it")


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found is not None  # it may be empty
    return found.end()
