"""Columns that deserve a look: leaks of the target, constants, identifiers. Judged on a sample.

To add a flag: a function that takes a `Look` and the rule's limit and returns what is wrong and
what to do (or None), a line in FLAGS, and one in RULES.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from layerline.columns.row_names import numbers_rows
from layerline.columns.spec import ColumnSpec
from layerline.text import exact
from layerline.validation.leakage import share_told
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.violations import Broken

FEWEST = 20  # rows that a judgement needs
MAX_CELLS = 16_000_000  # looked at, of a sample
MAX_ROWS = 50_000


@dataclass(frozen=True)
class Sample:
    """Good rows, typed; all of them in a table that is not large."""

    frame: pd.DataFrame
    n_rows: int  # of the table
    empty: frozenset[str] = frozenset()  # columns without any value in the whole table

    @property
    def is_whole(self) -> bool:
        return len(self.frame) == self.n_rows


@dataclass(frozen=True)
class Look:
    """One column, as a flag looks at it."""

    spec: ColumnSpec
    schema: TableSchema
    sample: Sample
    file: str  # the schema file

    @cached_property
    def values(self) -> pd.Series:
        return self.sample.frame[self.spec.name]

    @cached_property
    def present(self) -> pd.Series:
        return self.values.dropna()

    @cached_property
    def commonest(self) -> tuple[Any, float]:
        """The most frequent value and its share of those that are there."""
        counts = self.present.value_counts(sort=True)
        return counts.index[0], float(counts.iloc[0]) / len(self.present)

    def remedy(self, rule: str) -> str:
        place = f"columns.{self.spec.name} in {self.file}"
        return f"write use: false, or accept: [{rule}], for {place}"


Flag = Callable[[Look, float], str | None]


def _empty(look: Look, limit: float) -> str | None:
    if look.spec.name not in look.sample.empty or not look.spec.nullable:
        return None  # where it is not nullable, every row is reported already
    return "has no value in any row; bring its values back, or write use: false for it"


def _constant(look: Look, limit: float) -> str | None:
    if not look.sample.is_whole or not len(look.present) or look.commonest[1] < 1.0:
        return None
    if look.values.isna().any():  # its presence alone may be informative
        return None
    return f"holds the one value {_shown(look.commonest[0])}; nothing is learnt from it"


def _near_constant(look: Look, limit: float) -> str | None:
    if len(look.present) < FEWEST or _constant(look, limit) is not None:
        return None
    value, share = look.commonest
    if share < limit or (share == 1.0 and look.sample.is_whole):
        return None
    return f"is {_shown(value)} in {share:.2%} of its values"


def _mostly_missing(look: Look, limit: float) -> str | None:
    if look.spec.name in look.sample.empty or len(look.values) < FEWEST:
        return None
    share = float(look.values.isna().mean())
    return f"has no value in {share:.1%} of the rows" if share >= limit else None


def _id_like(look: Look, limit: float) -> str | None:
    if look.spec.kind != "number" or look.spec.dtype != "int64":
        return None
    if not numbers_rows(look.values, look.spec.name, look.sample.n_rows):
        return None
    return "has another whole number in every row, so it numbers or names the rows"


def _target_leak(look: Look, limit: float) -> str | None:
    told = (_told_of(look, name, limit) for name in look.schema.targets)
    return next((what for what in told if what is not None), None)


def _told_of(look: Look, name: str, limit: float) -> str | None:
    """What a column tells of one target."""
    target, is_class = look.sample.frame[name], look.schema[name].kind == "category"
    if len(target) < FEWEST or not len(look.present):
        return None
    share = share_told(look.values, target, classes=is_class)
    if share < limit:
        return None
    if look.values.astype(str).equals(target.astype(str)):
        return f"equals the target {name!r}: a leak"
    share_text = "all" if share > 0.9995 else f"{share:.1%}"
    return (
        f"alone predicts {share_text} of the target {name!r}: a leak, "
        "if it is known only after the target"
    )


FLAGS: Mapping[str, Flag] = {
    "empty": _empty,
    "constant": _constant,
    "near_constant": _near_constant,
    "mostly_missing": _mostly_missing,
    "id_like": _id_like,
    "target_leak": _target_leak,
}


def flag_columns(sample: Sample, schema: TableSchema, file: str) -> list[Broken]:
    """Every flag of every feature, in the schema's order of columns."""
    found: list[Broken] = []
    if not all(name in sample.frame for name in schema.targets):
        return found
    sample = _thinned(sample)
    for spec in schema.features:
        if spec.name not in sample.frame:
            continue
        look = Look(spec, schema, sample, file)
        for rule, flag in FLAGS.items():
            severity, limit = schema.setting(rule)
            if severity == "off" or rule in spec.accept:
                continue
            what = flag(look, limit or 0.0)
            if what is not None:
                message = f"column {spec.name!r} {what}; {look.remedy(rule)}"
                found.append(Broken(rule, message, spec.name, severity))
    return found


def _thinned(sample: Sample) -> Sample:
    rows, columns = sample.frame.shape
    step = -(-rows // min(MAX_ROWS, max(2000, MAX_CELLS // max(columns, 1))))
    return replace(sample, frame=sample.frame.iloc[::step]) if step > 1 else sample


def _shown(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    return exact(value) if isinstance(value, float) else repr(value)
