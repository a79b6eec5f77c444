"""How a delimited file is written: what the user says of it, and what is found in it."""

import codecs
from pathlib import Path
from typing import NamedTuple

from layerline.errors import ParamsError, Problem

SEPARATORS = (",", ";", "\t", "|")


class Dialect(NamedTuple):
    """What the user says of files; None is found from each file."""

    separator: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()  # words that are missing values in every column
    union: bool = False  # a column that a file lacks is missing there


USUAL = Dialect()


class Form(NamedTuple):
    """How one file is written.

    Attributes:
        separator: between the fields.
        encoding: as a name for messages.
        n_skipped: lines before the header: `sep=;`, titles, comments, blank lines.
        missing: words that are missing values in every column.
    """

    separator: str
    encoding: str = "utf-8"
    n_skipped: int = 0
    missing: tuple[str, ...] = ()

    @property
    def codec(self) -> str:
        """The codec that reads the encoding, with or without a byte order mark."""
        return codec_of(self.encoding)


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
        found = codecs.lookup(dialect.encoding or "utf-8")
        known = found._is_text_encoding  # not hex, zip, rot13
    except LookupError:
        known = False
    if not known:
        message = f"{dialect.encoding!r} is unknown; try utf-8, latin-1, windows-1252 or utf-16"
        raise ParamsError([Problem("fetch.options.encoding", message)])


def codec_of(encoding: str) -> str:
    """The name of the codec that reads this encoding, with or without a byte order mark."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def usual_separator(path: Path) -> str:
    """The separator that the ending of the name stands for."""
    return "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
