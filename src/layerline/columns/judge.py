"""Which rows break the spec of their column, and the words for it; the same at every door."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layerline.columns.arrays import gaps_of
from layerline.columns.cast import Cast
from layerline.columns.kinds import kind_of
from layerline.columns.spec import ColumnSpec

# A value of another type, and an infinite one, cannot be computed with: no choice relaxes these.
STRICT = frozenset({"type", "finite"})
LOOSE = STRICT | {"missing"}  # where a server takes any value, though no gaps


class Breach(NamedTuple):
    """The rows of one column that break one rule."""

    rule: str
    rows: NDArray[np.bool_]  # (B,)


def breaches(cast: Cast, spec: ColumnSpec, *, rules: frozenset[str] | None = None) -> list[Breach]:
    """Each rule that is broken, with its rows; a row is named under the first of its rules.

    Args:
        cast: the column as `cast_column` gives it.
        spec: what it must be.
        rules: the only ones that count; None means all.
    """
    found, seen = [], np.zeros(len(cast.bad), dtype=np.bool_)
    for rule, rows in _broken(cast, spec, rules):
        rows = rows & ~seen
        if rows.any():
            seen |= rows
            found.append(Breach(rule, rows))
    return found


def _broken(
    cast: Cast, spec: ColumnSpec, rules: frozenset[str] | None
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield "type", cast.bad
    gaps = gaps_of(cast.values)
    if not spec.nullable and (rules is None or "missing" in rules):
        yield "missing", gaps
    for rule, keeps in kind_of(spec).checks(spec).items():
        if (rules is None or rule in rules) and rule not in spec.lenient:
            yield rule, ~keeps(cast.values) & ~gaps


def plain_value(value: Any) -> Any:
    """A value as a message shows it: no type of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def fault(spec: ColumnSpec, rule: str, value: Any) -> str:
    """What is wrong with one value: `must be a number`, `must not be missing`."""
    return "must not be missing" if rule == "missing" else kind_of(spec).fault(spec, rule, value)


def fault_with_value(spec: ColumnSpec, rule: str, raw: Any, value: Any) -> str:
    """The same with the value as it came.

    Args:
        spec: of the column.
        rule: that is broken.
        raw: the value as it came, for the message.
        value: the value as it was read; of another type it is as it came.
    """
    raw = plain_value(raw)
    words = fault(spec, rule, raw if rule == "type" else plain_value(value))
    mark = ";" if rule == "levels" else ","  # a list of levels has commas
    return words if rule == "missing" else f"{words}{mark} got {raw!r}"
