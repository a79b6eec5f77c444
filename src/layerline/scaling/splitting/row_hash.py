"""A row's content as one number: equal for equal rows, whatever stands next to them."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


def hash_rows(frame: pd.DataFrame) -> Hashes:
    """Hash each row's values, as `pandas.util.hash_pandas_object` does.

    A value hashes alike in an int and a float column, and in a bool column with and without gaps:
    a column whose type widens because one new row has a gap must not move every old row.
    """
    if not len(frame.columns):
        return np.zeros(len(frame), dtype=np.uint64)
    # pandas.core.util.hashing.combine_hash_arrays, without a frame of all columns: hashes of rows
    # decide splits and name rows in other versions, so they stay what they were.
    hashes = np.full(len(frame), 0x345678, dtype=np.uint64)
    factor = 1000003
    for left, name in zip(range(len(frame.columns), 0, -1), frame.columns, strict=True):
        hashes ^= _hash_column(frame[name])
        hashes *= np.uint64(factor)
        factor += 82520 + 2 * left
    return hashes + np.uint64(97531)


def _hash_column(column: pd.Series) -> Hashes:
    """Numbers and truth values as float64, all else as text."""
    if column.dtype == object and column.dropna().map(lambda value: isinstance(value, bool)).all():
        column = column.astype("float64")
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return pd.util.hash_array(column.to_numpy(dtype=np.float64, na_value=np.nan))
    text: Any = column.astype(object)
    if not isinstance(column.dtype, pd.StringDtype):
        text = text.map(str, na_action="ignore")
    return pd.util.hash_array(text.where(text.notna(), "\0missing").to_numpy(dtype=object))


def count_distinct(hashes: Hashes) -> int:
    """How many different ones there are, by sorting: np.unique would make a hash table."""
    ordered = np.sort(hashes)
    return int((ordered[1:] != ordered[:-1]).sum()) + min(len(hashes), 1)


def hash_images(images: NDArray[np.uint8]) -> Hashes:
    """Hash each image's bytes."""
    digests = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(digests, dtype=np.uint64)


def shares_of(hashes: Hashes, salt: int = 0) -> NDArray[np.float64]:
    """Each hash as a number in [0, 1); another salt deals the rows again.

    Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators (2014), the mixing.
    """
    if salt:
        hashes = hashes + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
        hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        hashes = hashes ^ (hashes >> np.uint64(31))
    return hashes / float(2**64)
