"""Arrays on disk (.npy), mapped and not loaded; a damaged one is an error, never a crash."""

from pathlib import Path
from tokenize import TokenError

import numpy as np

from layerline.errors import SourceError
from layerline.text import first_line

# What numpy raises for a damaged file: its header is Python's syntax, its shape any number.
NPY_ERRORS = (OSError, ValueError, TypeError, ArithmeticError, SyntaxError, TokenError, EOFError)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def map_array(path: Path, remedy: str) -> np.ndarray:
    """The array of an .npy file, mapped from disk, not loaded.

    Raises:
        SourceError: the file is missing or damaged.
    """
    try:
        _require_sized(path)
        array: np.ndarray = np.lib.format.open_memmap(path, mode="r")
        if not array.ndim:
            raise ValueError("it holds one number")
    except NPY_ERRORS as error:
        raise SourceError(f"{path}: cannot be read ({first_line(error)}); {remedy}") from None
    return array


def _require_sized(path: Path) -> None:
    """Refuse an .npy file whose items have no bytes: to map it, NumPy divides by their size.

    The process ends by a signal then.

    Raises:
        ValueError: they have none, or the header cannot be read.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of the format")
        if not _HEADERS[version](file)[2].itemsize:
            raise ValueError("its items have no bytes")
