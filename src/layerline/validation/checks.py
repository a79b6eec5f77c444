"""The frozen schema enforced on every row: fail with every broken rule, or set bad rows aside.

`check` reads the rows once, batch by batch, and finds what is broken and which rows are bad;
`quarantine` then parts each batch into what passed and what is set aside. A rule that rows break (a
type, a missing value, a level, a limit) can be answered by quarantine; one that the table breaks (a
column that vanished, a class with too few rows) cannot.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.spec import Level
from layerline.config import ValidateSection
from layerline.validation.batch_check import BatchCheck, BatchFindings
from layerline.validation.column_warnings import Sample, flag_columns
from layerline.validation.duplicates import Repeats
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.table_rules import class_rules, column_rules, image_rules, row_rules
from layerline.validation.violation_messages import describe
from layerline.validation.violations import Broken, Tallies

A = TypeVar("A")

MANY_ROWS = 100_000  # bad ones whose reasons are kept, though there are too many of them
SAMPLE_CELLS = 16_000_000  # twice what is read as one batch: there, all is exact


class Rows(Protocol):
    """The rows of a table, batch by batch, as often as they are asked for."""

    @property
    def n_rows(self) -> int: ...

    @property
    def names(self) -> Sequence[str]: ...

    def map(self, function: Callable[..., A], *beside: NDArray[Any]) -> Iterator[tuple[int, A]]:
        """Each batch's first position, and `function` of its rows and their part of the arrays."""
        ...


@dataclass(frozen=True)
class Places:
    """The files that messages name."""

    data: str = "data/raw/table.parquet"
    schema: str = "the schema"


PLACES = Places()


class Verdict(NamedTuple):
    """What is broken, and by which rows."""

    found: tuple[Broken, ...]
    bad: NDArray[np.bool_]  # (N,)
    with_gaps: frozenset[str]  # columns of whole or truth values that keep missing values
    sample: Sample  # good rows
    n_missing: Mapping[str, int]  # of each column, in all rows

    @property
    def errors(self) -> list[Broken]:
        return [rule for rule in self.found if rule.severity == "error"]

    @property
    def warnings(self) -> list[Broken]:
        return [rule for rule in self.found if rule.severity == "warning"]


def check(
    rows: Rows,
    schema: TableSchema,
    section: ValidateSection,
    *,
    images: NDArray[np.uint8] | None = None,
    places: Places = PLACES,
) -> Verdict:
    """Read all rows once and find every rule they break; nothing is refused yet."""
    tallies, look = Tallies(), _Look(schema, rows.n_rows)
    allowed = max(section.max_bad_fraction * rows.n_rows, MANY_ROWS)
    sampled = np.zeros(rows.n_rows, dtype=bool)
    sampled[sampled_rows(rows.n_rows, len(schema.columns))] = True
    beside = [images] if images is not None and len(images) == rows.n_rows else []
    for start, batch in rows.map(BatchCheck(schema, places.schema), sampled, *beside):
        look.add(start, batch)
        tallies.add(batch.hits, start)
        if tallies.keeps_rows and look.bad.sum() > allowed:
            tallies.forget_rows()
    late = look.repeats.hits(look.bad)
    for hit in late:
        if hit.severity == "error":
            look.bad[hit.rows] = True
    tallies.add(late, 0)
    of_rows = [describe(tally, schema, places.schema) for tally in tallies]
    order = {name: position for position, name in enumerate(schema.names)}
    of_rows.sort(key=lambda rule: order.get(rule.column or "", len(order)))
    of_table = image_rules(images, rows.n_rows, schema)
    of_table += column_rules(rows.names, schema, places.schema)
    if not any(rule.severity == "error" for rule in of_table):
        n_good = int((~look.bad).sum())
        of_table += row_rules(n_good, look.repeats.conflicts(look.bad), schema)
        of_table += class_rules(look.class_counts(), schema, section.min_class_rows)
    sample = look.sample()
    of_columns = flag_columns(sample, schema, places.schema)
    found = (*of_table, *of_rows, *of_columns)
    return Verdict(found, look.bad, look.with_gaps(), sample, look.n_missing)


class _Look:
    """What is gathered while the batches go by."""

    def __init__(self, schema: TableSchema, n_rows: int) -> None:
        self.schema = schema
        self.bad = np.zeros(n_rows, dtype=bool)
        self.repeats = Repeats(schema, n_rows)
        self._codes = np.full(n_rows if schema.classes else 0, -1, dtype=np.int32)
        self._gaps: dict[str, list[NDArray[np.int64]]] = {}
        self.n_missing: Counter[str] = Counter()
        self._samples: list[pd.DataFrame] = []

    def add(self, start: int, found: BatchFindings) -> None:
        """Add what was found in the batch that begins at row `start`."""
        for hit in found.hits:
            if hit.severity == "error":
                self.bad[hit.rows + start] = True
        self.repeats.add(start, found.hashes)
        if found.codes is not None:
            self._codes[start : start + len(found.codes)] = found.codes
        for name, gaps in found.gaps.items():
            self._gaps.setdefault(name, []).append(gaps + start)
        self.n_missing.update(found.n_missing)
        found.sample.index = found.sample.index + start
        self._samples.append(found.sample)

    def sample(self) -> Sample:
        """The good rows among those sampled."""
        frame = pd.concat(self._samples) if self._samples else pd.DataFrame()
        frame = frame[~self.bad[frame.index.to_numpy(dtype=np.int64)]].reset_index(drop=True)
        n_missing, n_rows = self.n_missing, len(self.bad)
        empty = frozenset(n for n in self.schema.names if n_missing.get(n, n_rows) == n_rows)
        return Sample(frame, int((~self.bad).sum()), empty)

    def class_counts(self) -> dict[Level, int]:
        """Good rows of each class."""
        classes = self.schema.classes or ()
        codes = self._codes[~self.bad] if classes else self._codes
        counts = np.bincount(codes[codes >= 0], minlength=len(classes))
        return dict(zip(classes, counts.tolist(), strict=True))

    def with_gaps(self) -> frozenset[str]:
        return frozenset(
            name
            for name, batches in self._gaps.items()
            if any((~self.bad[gaps]).any() for gaps in batches)
        )


def sampled_rows(n_rows: int, n_columns: int) -> NDArray[np.int64]:
    """Positions, rising, of the rows that quantiles and flags look at; the same ones every time."""
    most = max(10_000, SAMPLE_CELLS // max(n_columns, 1))
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, most, replace=False, shuffle=False))
