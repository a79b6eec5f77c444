"""Values and rows that come twice, found through 64-bit hashes of each row.

The hashes of many rows lie in a temporary file: memory does not grow with the table.

Two of ten million different rows share a hash by chance once in 370,000 tables.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.tables.threads import in_order, side_by_side
from layerline.validation.disk_array import Hashes, Words, part_of
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.violations import Hit

_MISSING = np.uint64(0x9E3779B97F4A7C15)
_SHOWN = 10


def mix(values: Hashes) -> Hashes:
    """Scatter 64-bit words so that near ones are far apart (splitmix64's finalizer)."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def hash_column(column: pd.Series) -> Hashes:
    """(B,) hashes of the values; one for all missing ones, -0.0 as 0.0, 3 as 3.0."""
    if pd.api.types.is_datetime64_any_dtype(column):
        words = column.to_numpy().astype("datetime64[us]").view(np.uint64)
    elif pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64) + 0.0
        words = numbers.view(np.uint64)
        gaps = np.isnan(numbers)
        if gaps.any():
            words = np.where(gaps, _MISSING, words)
    else:
        return _hash_text(column)
    return mix(words)


def _hash_text(column: pd.Series) -> Hashes:
    """Each distinct text is hashed once."""
    codes, levels = pd.factorize(column)
    digests = [hashlib.blake2b(str(level).encode(), digest_size=8).digest() for level in levels]
    words = np.frombuffer(b"".join(digests), dtype=np.uint64)
    return np.append(words, _MISSING)[codes]  # -1, missing, is the last


def distinct(hashes: Hashes) -> Hashes:
    """Each hash once, rising; by sorting: np.unique would make a hash table."""
    ordered = np.sort(hashes)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def hash_rows(columns: Sequence[pd.Series], n_rows: int) -> Hashes:
    """(B,) hashes of rows; the order of the columns counts."""
    total = np.zeros(n_rows, dtype=np.uint64)
    for hashes in side_by_side(hash_column, columns):
        total *= np.uint64(3)
        total += hashes
        total = mix(total)
    return total


def hash_images(images: NDArray[np.uint8]) -> Hashes:
    """(B,) hashes of each image's bytes."""
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


class Conflicts(NamedTuple):
    """Rows equal in every feature to another one with another target."""

    n_rows: int
    first: tuple[int, ...]


class RowHashes(NamedTuple):
    """Hashes (B,) of one batch's rows: of each group of unique columns, of features, of all."""

    of_groups: Mapping[tuple[str, ...], Hashes]
    features: Hashes | None = None
    rows: Hashes | None = None


def unique_groups(schema: TableSchema) -> list[tuple[str, ...]]:
    """The columns, alone and together, in which no value may come twice."""
    if schema.setting("unique").severity == "off":
        return []
    return [*((c.name,) for c in schema.columns if c.unique), *map(tuple, schema.unique)]


def looks_for_repeats(schema: TableSchema) -> bool:
    """Whether whole rows are compared."""
    wanted = ("duplicate_rows", "conflicting_rows")
    return any(schema.setting(rule).severity != "off" for rule in wanted)


def hash_batch(
    columns: Mapping[str, pd.Series],
    schema: TableSchema,
    images: NDArray[np.uint8] | None = None,
) -> RowHashes:
    """The hashes of one batch, whose columns are in their schema's types."""
    if not all(name in columns for name in schema.targets):
        return RowHashes({})
    targets = [columns[name] for name in schema.targets]
    n_rows = len(targets[0])
    of_groups = {}
    for group in unique_groups(schema):
        if all(name in columns for name in group):
            values = [columns[name] for name in group]
            gaps = np.logical_or.reduce([v.isna().to_numpy() for v in values])
            hashes = hash_rows(values, n_rows)
            # No two missing values are equal: 0 stands for such rows.
            of_groups[group] = np.where(gaps, 0, hashes | np.uint64(1))
    if not looks_for_repeats(schema):
        return RowHashes(of_groups)
    used = [columns[c.name] for c in schema.features if c.name in columns]
    features = hash_rows(used, n_rows) if images is None else hash_images(images)
    of_targets = hash_rows(targets, n_rows) if schema.several else hash_column(targets[0])
    return RowHashes(of_groups, features, mix(features * np.uint64(3) + of_targets))


class Repeats:
    """Hashes of all rows, batch by batch; `hits` gives the rows that repeat an earlier one."""

    def __init__(self, schema: TableSchema, n_rows: int) -> None:
        self._schema = schema
        self._of_groups = {group: Words(n_rows) for group in unique_groups(schema)}
        self._looks = looks_for_repeats(schema)
        self._features = Words(n_rows if self._looks else 0)
        self._rows = Words(n_rows if self._looks else 0)
        self._features_repeat: bool | None = None  # null: not looked for

    def add(self, start: int, found: RowHashes) -> None:
        """Add the hashes of one batch."""
        for group, hashes in found.of_groups.items():
            self._of_groups[group].put(start, hashes)
        if found.features is not None and found.rows is not None:
            self._features.put(start, found.features)
            self._rows.put(start, found.rows)

    def hits(self, bad: NDArray[np.bool_]) -> list[Hit]:
        """Rows that repeat an earlier one, among those that are not bad anyway."""
        found = []
        for group, words in self._of_groups.items():
            is_empty = [hashes == 0 for _, hashes in words.chunks()]
            rows = repeated(words, bad | np.concatenate([bad[:0], *is_empty]))
            if len(rows):
                column = group[0] if len(group) == 1 else None
                severity = self._schema.setting("unique").severity
                found.append(Hit("unique", column, rows, (), ", ".join(group), severity))
        severity = self._schema.setting("duplicate_rows").severity
        if severity != "off" and self._compares(bad) and len(rows := repeated(self._rows, bad)):
            found.append(Hit("duplicate_rows", None, rows, severity=severity))
        return found

    def conflicts(self, bad: NDArray[np.bool_]) -> Conflicts:
        """Rows that equal others in all but their class."""
        is_off = self._schema.setting("conflicting_rows").severity == "off"
        # Two houses alike may well be sold at two prices.
        if is_off or self._schema.classes is None or not self._compares(bad):
            return Conflicts(0, ())
        n_rows, first = 0, np.empty(0, dtype=np.int64)
        for part in range(self._features.n_parts):
            places, features, rows = part_of([self._features, self._rows], bad, part)
            found = _conflicting(features, rows)
            n_rows += len(found)
            first = np.sort(np.append(first, places[found]))[:_SHOWN]
        return Conflicts(n_rows, tuple(int(row) for row in first))

    def _compares(self, bad: NDArray[np.bool_]) -> bool:
        """Whether the features of rows that are not bad repeat: else there is nothing to compare.

        What is bad later takes no part either, so the first answer `no` stays.
        """
        if self._looks and self._features_repeat is None:
            self._features_repeat = len(repeated(self._features, bad)) > 0
        return bool(self._features_repeat)


def _conflicting(features: Hashes, rows: Hashes) -> NDArray[np.int64]:
    """Positions of rows whose features come with other targets too."""
    order = np.argsort(features, kind="stable")
    features, rows = features[order], rows[order]
    begins = np.flatnonzero(np.append(True, features[1:] != features[:-1])[: len(features)])
    if not len(begins):
        return np.empty(0, dtype=np.int64)
    sizes = np.diff(np.append(begins, len(features)))
    differs = np.minimum.reduceat(rows, begins) != np.maximum.reduceat(rows, begins)
    return order[np.repeat(differs, sizes)]


def repeated(words: Words, skip: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions, rising, whose word came at an earlier one; `skip` takes no part."""

    def within(part: int) -> NDArray[np.int64]:
        places, hashes = part_of([words], skip, part)
        return places[_came_before(hashes)]

    found = in_order(within, range(words.n_parts))
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *found]))


def _came_before(hashes: Hashes) -> NDArray[np.bool_]:
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    is_repeated = np.isin(hashes, np.unique(twice)) if len(twice) else np.zeros(len(hashes), bool)
    candidates = np.flatnonzero(is_repeated)
    _, first = np.unique(hashes[candidates], return_index=True)
    is_repeated[candidates[first]] = False
    return is_repeated
