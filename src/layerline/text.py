"""Text that people read: figures, lists, the closest name, a message's first line, plurals."""

import difflib
import math
from collections.abc import Sequence


def readable(value: float) -> str:
    """Four significant digits; thousands in groups of three rather than as a power of ten.

    >>> readable(34811.3), readable(0.98541), readable(1.23456e12)
    ('34,810', '0.9854', '1.235e+12')
    """
    if not math.isfinite(value) or not 1e4 <= abs(value) < 1e9:
        return f"{value:.4g}"
    return f"{float(f'{value:.4g}'):,.0f}"


def exact(value: float) -> str:
    """All digits of a value or a limit, without the rounding of binary fractions.

    >>> exact(1_700_000_050.0), exact(0.1 + 0.2), exact(5.0)
    ('1700000050', '0.3', '5')
    """
    return f"{value:.15g}"


def plural(count: int, noun: str) -> str:
    """`1 run`, `2 runs`, `1,200 rows`.

    >>> plural(1, "journal"), plural(2000, "row")
    ('1 journal', '2,000 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def file_size(n_bytes: float) -> str:
    """Bytes in the unit that suits them.

    >>> file_size(1_240_000)
    '1.2 MB'
    """
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} GB"


def first_line(error: BaseException) -> str:
    """The first line of a library's message: the rest is its own detail."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def closest(name: str, names: Sequence[str]) -> str | None:
    """The name most similar to `name`, also when only case, blanks or underscores differ."""
    folded = {_fold(other): other for other in reversed(names)}
    found = difflib.get_close_matches(_fold(name), folded, n=1)
    return folded[found[0]] if found else None


def _fold(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum()) or name


def listing(values: Sequence[object], limit: int = 20) -> str:
    """`a, b, c`, truncated with the number of those left out."""
    text = ", ".join(map(str, values[:limit]))
    return text if len(values) <= limit else f"{text} and {len(values) - limit} more"
