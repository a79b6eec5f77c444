"""A JSON file that holds a list of objects, cut into one text per object: no value is touched."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from layerline.errors import DataError
from layerline.sources.reading.limits import FILES

_SPACE = re.compile(r"\s*")
_LONGEST = FILES.header_bytes  # of one line
_LARGEST = 2 << 30  # bytes: it is in memory as a whole


def object_texts(path: Path, codec: str) -> Iterator[tuple[int, str]]:
    """(number, text) of each line of JSON lines, or of each object of a list.

    Raises:
        DataError: a line or a list that is too large, or a list malformed between its objects.
        UnicodeDecodeError: another encoding.
    """
    with path.open(encoding=codec, newline="\n") as file:
        first = _first_sign(file.read(1 << 16))
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
