"""What breaks a rule: hits in one batch of rows, tallied over all batches, described at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.validation.schema.severities import Severity

SHOWN = 10  # rows that a message names
SAMPLES = 5  # values that the report keeps


class Hit(NamedTuple):
    """Rows of one batch that break one rule."""

    rule: str
    column: str | None
    rows: NDArray[np.int64]  # positions in the batch, rising
    values: Sequence[Any] = ()  # a few of the values that break it
    detail: str = ""  # what distinguishes this hit from others of its rule
    severity: Severity = "error"


@dataclass
class Tally:
    """Hits of one rule in one column, over all batches."""

    rule: str
    column: str | None
    detail: str
    severity: Severity
    n_rows: int = 0
    first: list[int] = field(default_factory=list)  # positions in the table
    values: list[Any] = field(default_factory=list)
    positions: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, hit: Hit, start: int, *, keep: bool) -> None:
        """Add a batch's hit; `keep` its rows' positions too, for their reasons in quarantine."""
        self.n_rows += len(hit.rows)
        self.first += [start + int(row) for row in hit.rows[: SHOWN - len(self.first)]]
        for value in hit.values:
            if len(self.values) < SAMPLES and value not in self.values:
                self.values.append(value)
        if keep:
            self.positions.append(hit.rows + start)

    @property
    def rows(self) -> NDArray[np.int64]:
        """All positions that were kept."""
        return np.concatenate(self.positions) if self.positions else no_rows()


class Tallies:
    """One tally for each rule, column and detail that was hit."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None, str], Tally] = {}
        self.keeps_rows = True

    def add(self, hits: Sequence[Hit], start: int) -> None:
        """Add the hits of the batch that begins at row `start`."""
        for hit in hits:
            key = (hit.rule, hit.column, hit.detail)
            tally = self._found.setdefault(
                key, Tally(hit.rule, hit.column, hit.detail, hit.severity)
            )
            tally.add(hit, start, keep=self.keeps_rows and hit.severity == "error")

    def forget_rows(self) -> None:
        """Keep no positions any more: too many rows are bad to set them aside."""
        self.keeps_rows = False
        for tally in self._found.values():
            tally.positions.clear()

    def __iter__(self) -> Iterator[Tally]:
        return iter(self._found.values())


@dataclass(frozen=True)
class Broken:
    """One rule that one column, or the table, breaks; in words."""

    rule: str
    message: str
    column: str | None = None
    severity: Severity = "error"
    n_rows: int = 0
    first: tuple[int, ...] = ()
    rows: NDArray[np.int64] = field(default_factory=lambda: no_rows())
    values: tuple[Any, ...] = ()
    reason: str = ""  # for one row in quarantine

    @property
    def is_of_rows(self) -> bool:
        """Whether setting rows aside answers it."""
        return bool(self.reason)

    def to_dict(self) -> dict[str, Any]:
        """As reports/validation.json holds it; rows are counted from 1."""
        return {
            "rule": self.rule,
            "column": self.column,
            "n_rows": self.n_rows,
            "rows": [row + 1 for row in self.first],
            "values": [plain(value) for value in self.values],
            "message": self.message,
        }


def no_rows() -> NDArray[np.int64]:
    """No positions."""
    return np.empty(0, dtype=np.int64)


def plain(value: Any) -> str | int | float | bool:
    """A value as JSON holds it."""
    if isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and np.isfinite(value) else str(value)


def samples(column: pd.Series, rows: NDArray[np.int64]) -> tuple[Any, ...]:
    """A few distinct values of these rows."""
    values = column.iloc[rows[:1000]].dropna().drop_duplicates()
    return tuple(values.iloc[:SAMPLES].tolist())
