"""A table of file formats, looked up by a file's suffix."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from layerline.errors import ParamsError, Problem

T = TypeVar("T")


def pick_by_suffix(table: Mapping[str, T], path: Path, where: str) -> T:
    """The entry for the file's suffix.

    Args:
        table: suffix, such as ".csv" -> entry.
        path: the file.
        where: the argument that named the file, for the message.

    Raises:
        ParamsError: the suffix is unknown.
    """
    found = table.get(path.suffix.lower())
    if found is None:
        message = f"{path}: unknown file type; supported suffixes: {', '.join(table)}"
        raise ParamsError([Problem(where, message)], "layerline predict")
    return found
