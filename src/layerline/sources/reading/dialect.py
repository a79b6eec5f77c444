"""How a delimited file is written: separator, encoding, words for a missing value."""

import codecs
from pathlib import Path
from typing import NamedTuple

from layerline.errors import ParamsError, Problem

SEPARATORS = (",", ";", "\t", "|")


class Dialect(NamedTuple):
    """How a delimited file is written; `separator: None` is found from the header."""

    separator: str | None = None
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()  # words that are missing values in every column


USUAL = Dialect()


def check_dialect(dialect: Dialect) -> None:
    """Refuse a separator that cannot separate, and an unknown encoding.

    Raises:
        ParamsError: with what to set instead.
    """
    separator = dialect.separator
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        message = f"must be one character, neither a quote nor a line end, got {separator!r}"
        raise ParamsError([Problem("fetch.options.separator", message)])
    try:
        codecs.lookup(dialect.encoding)
    except LookupError:
        message = f"{dialect.encoding!r} is unknown; try utf-8, latin-1, windows-1252 or utf-16"
        raise ParamsError([Problem("fetch.options.encoding", message)]) from None


def codec_of(encoding: str) -> str:
    """The name of the codec that reads this encoding."""
    # utf-8-sig also reads files without a byte order mark.
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def usual_separator(path: Path) -> str:
    """The separator that the ending of the name stands for."""
    return "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
