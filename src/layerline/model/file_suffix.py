"""A table of file formats, looked up by a file's suffix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from layerline.errors import ParamsError, Problem

T = TypeVar("T")


def pick_by_suffix(table: Mapping[str, T], path: Path, where: str, others: Sequence[str] = ()) -> T:
    """The entry for the file's suffix.

    Args:
        table: suffix, such as ".csv" -> entry.
        path: the file.
        where: the argument that named the file, for the message.
        others: what names a file may end with beside those of the table.

    Raises:
        ParamsError: the suffix is unknown.
    """
    found = table.get(path.suffix.lower())
    if found is None:
        message = f"{path}: unknown file type; supported suffixes: {', '.join((*table, *others))}"
        raise ParamsError([Problem(where, message)], "layerline predict")
    return found
