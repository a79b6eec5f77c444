"""Which rows are for training, which for choosing (valid), which for the final figure (test).

A method takes `SplitInput` and its own options and returns (B,) int8: TRAIN, VALID, TEST or
LEFT_OUT. To add one: write the function, add one line to SPLITS.

shares   by hash, group, chance, class     told     as a column, the source or the time says
hashing  a row's content as a number       folds    k folds, for studies
checking empty splits, and the salt that mends them
"""

from collections.abc import Callable

from layerline.scaling.splitting.by_column import by_column, by_time, official
from layerline.scaling.splitting.by_share import at_random, by_group, by_hash, stratified
from layerline.scaling.splitting.checks_of_splits import check_splits, count_rows, find_salt
from layerline.scaling.splitting.folds import assign_folds
from layerline.scaling.splitting.row_hash import hash_images, hash_rows
from layerline.scaling.splitting.split_input import (
    LEFT_OUT,
    SPLIT_NAMES,
    TEST,
    TRAIN,
    VALID,
    Labels,
    SplitInput,
)

SPLITS: dict[str, Callable[..., Labels]] = {
    "hash": by_hash,
    "group": by_group,
    "random": at_random,
    "stratified": stratified,
    "time": by_time,
    "column": by_column,
    "official": official,
}

__all__ = [
    "LEFT_OUT",
    "SPLITS",
    "SPLIT_NAMES",
    "TEST",
    "TRAIN",
    "VALID",
    "Labels",
    "SplitInput",
    "assign_folds",
    "check_splits",
    "count_rows",
    "find_salt",
    "hash_images",
    "hash_rows",
]
