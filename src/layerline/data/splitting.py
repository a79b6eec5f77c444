"""Which rows are for training, which for choosing (valid), which for the final figure (test).

A method takes `SplitInput` and its own options and returns (B,) of "train", "valid" and "test".
To add one: write the function, add one line to SPLITS.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from layerline.errors import DataError

SPLIT_NAMES = ("train", "valid", "test")
Share = Annotated[float, Field(gt=0, lt=1)]
Labels = NDArray[np.str_]


@dataclasses.dataclass(frozen=True)
class SplitInput:
    """What a method may look at: rows (a frame, or images with their labels), target and seed."""

    frame: pd.DataFrame
    features: tuple[str, ...]  # the columns that are learnt from; an id must not tell twins apart
    images: NDArray[np.uint8] | None
    target: str
    official: str | None
    is_classification: bool
    seed: int

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def row_hashes(self) -> NDArray[np.uint64]:
        """(B,) content hashes of the features, equal for equal rows, whatever their neighbours."""
        if self.images is not None:
            return hash_images(self.images)
        return hash_rows(self.frame[list(self.features)])


def hash_rows(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """Hash each row's values.

    A value hashes alike in an int and a float column, and in a bool column with and without gaps:
    a column whose type widens because one new row has a gap must not move every old row.
    """
    canonical = {name: _canonical(frame[name]) for name in frame.columns}
    if not canonical:
        return np.zeros(len(frame), dtype=np.uint64)
    hashes = pd.util.hash_pandas_object(pd.DataFrame(canonical), index=False)
    return np.asarray(hashes, dtype=np.uint64)


def _canonical(column: pd.Series) -> NDArray[Any]:
    """Numbers and truth values as float64 with one NaN and one zero, all else as text."""
    if column.dtype == object and column.dropna().map(lambda value: isinstance(value, bool)).all():
        column = column.astype("float64")
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0.0 becomes 0.0
        return np.where(np.isnan(numbers), np.nan, numbers)
    text = column.astype(object).map(str, na_action="ignore")
    return text.where(text.notna(), "\0missing").to_numpy(dtype=object)


def hash_images(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash each image's bytes."""
    digests = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(digests, dtype=np.uint64)


def _by_share(position: NDArray[np.float64], valid: float, test: float) -> Labels:
    """Cut [0, 1) into test, valid and train, in that order: more test rows never move old ones."""
    _check_shares(valid, test)
    return np.select([position < test, position < test + valid], ["test", "valid"], "train")


def _check_shares(valid: float, test: float) -> None:
    if valid + test >= 1:
        raise DataError(
            f"scale.split: valid {valid} and test {test} leave no rows to train on; lower them"
        )


def _uniform(rows: SplitInput) -> NDArray[np.float64]:
    return rows.row_hashes / float(2**64)


def by_hash(rows: SplitInput, *, valid: Share = 0.15, test: Share = 0.2) -> Labels:
    """By the row's content: rows stay put as the table grows, duplicates stay together."""
    return _by_share(_uniform(rows), valid, test)


def at_random(rows: SplitInput, *, valid: Share = 0.15, test: Share = 0.2) -> Labels:
    """By a permutation drawn from the seed; exact shares."""
    order = np.random.default_rng(rows.seed).permutation(len(rows))
    return _by_share(order / len(rows), valid, test)


def stratified(rows: SplitInput, *, valid: Share = 0.15, test: Share = 0.2) -> Labels:
    """At random within each class, so that every split has each class's share."""
    if not rows.is_classification:
        raise DataError("scale.split: `stratified` needs classes; use hash or random for numbers")
    _check_shares(valid, test)
    generator = np.random.default_rng(rows.seed)
    labels = np.full(len(rows), "train")
    target = rows.frame[rows.target].to_numpy()
    for level in pd.unique(target):
        members = generator.permutation(np.flatnonzero(target == level))
        n_test, n_both = round(len(members) * test), round(len(members) * (test + valid))
        labels[members[:n_test]] = "test"
        labels[members[n_test:n_both]] = "valid"
    return labels


def by_column(rows: SplitInput, *, column: str, valid: Share = 0.15) -> Labels:
    """As a column says: train, valid, test; `valid` is the share of train rows used if none are."""
    if column not in rows.frame:
        raise DataError(f"scale.split.column: the data have no column {column!r}")
    labels = rows.frame[column].astype(object).to_numpy()
    wrong = np.flatnonzero(~np.isin(labels.astype(str), SPLIT_NAMES))
    if len(wrong):
        shown = ", ".join(str(row + 1) for row in wrong[:5])
        raise DataError(
            f"column {column!r} must be train, valid or test, found {labels[wrong[0]]!r} "
            f"(rows {shown}{', …' if len(wrong) > 5 else ''}); mend the source"
        )
    labels = labels.astype("<U5")
    if not (labels == "valid").any():
        labels[(labels == "train") & (_uniform(rows) < valid)] = "valid"
    return labels


def official(rows: SplitInput, *, valid: Share = 0.15) -> Labels:
    """The source's own test rows; a `valid` share of its train rows, by hash."""
    if rows.official is None:
        raise DataError("scale.split: this source has no official split; use hash, or a column")
    return by_column(rows, column=rows.official, valid=valid)


SPLITS: dict[str, Callable[..., Labels]] = {
    "hash": by_hash,
    "random": at_random,
    "stratified": stratified,
    "column": by_column,
    "official": official,
}


def check_splits(labels: Labels, classes: NDArray[Any] | None) -> dict[str, int]:
    """Count the rows of each split.

    Args:
        labels: (B,) split of each row.
        classes: (B,) class of each row, or None for regression.

    Raises:
        DataError: a split is empty, or a class has no train row.
    """
    counts = {name: int((labels == name).sum()) for name in SPLIT_NAMES}
    for name, count in counts.items():
        least = 2 if name == "train" else 1
        if count < least:
            raise DataError(
                f"scale.split: only {count} {name} rows of {len(labels)}; at least {least} are "
                "needed: raise the share, use `method: stratified`, or bring more data"
            )
    if classes is not None:
        absent = sorted(set(classes.tolist()) - set(classes[labels == "train"].tolist()), key=str)
        if absent:
            raise DataError(
                f"scale.split: class {absent[0]!r} has no train row, so nothing can learn it; "
                "move some of its rows to train, set `method: stratified`, or leave the class out"
            )
    return counts
