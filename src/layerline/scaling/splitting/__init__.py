"""Which rows are for training, which for choosing (valid), which for the final figure (test).

A method takes `SplitInput` and its own options and returns (B,) int8: TRAIN, VALID, TEST or
LEFT_OUT. To add one: a file with the function, and a line in SPLITS that says what other rooms must
know of it (`Split`). The contract tests run over every line.

split         what a method sees, returns, declares
by_hash       by the content of the row
by_group      groups of rows stay whole
by_time       the latest rows are test
by_column     a column holds the split
at_random     a permutation from the seed
stratified    at random within each class
official      the source's own test rows
shares        cutting positions into three splits
row_hash      the content of rows, hashed
split_counts  empty splits, and salts against them
folds         k folds, for studies
repeats       rows with equal features
rare_classes  classes of a few rows
"""

from collections.abc import Mapping

from layerline.scaling.splitting.at_random import at_random
from layerline.scaling.splitting.by_column import by_column
from layerline.scaling.splitting.by_group import by_group
from layerline.scaling.splitting.by_hash import by_hash
from layerline.scaling.splitting.by_time import by_time, moments_of
from layerline.scaling.splitting.folds import assign_folds
from layerline.scaling.splitting.official import official
from layerline.scaling.splitting.repeats import separate_observations
from layerline.scaling.splitting.row_hash import hash_images, hash_rows
from layerline.scaling.splitting.shares import hash_keys
from layerline.scaling.splitting.split import (
    LEFT_OUT,
    SPLIT_NAMES,
    TEST,
    TRAIN,
    VALID,
    Labels,
    Split,
    SplitInput,
)
from layerline.scaling.splitting.split_counts import check_splits, count_rows, find_salt
from layerline.scaling.splitting.stratified import stratified

SPLITS: Mapping[str, Split] = {
    "hash": Split(by_hash, is_stable=True, has_salt=True, group_option="keys", deals_rows=True),
    "group": Split(
        by_group, is_stable=True, has_salt=True, key_option="column", group_option="column"
    ),
    "random": Split(at_random, is_stable=False, deals_rows=True),
    "stratified": Split(
        stratified, is_stable=False, tasks=("binary", "multiclass"), deals_rows=True
    ),
    "time": Split(by_time, is_stable=False, time_option="column"),
    "column": Split(by_column, is_stable=True, key_option="column"),
    "official": Split(official, is_stable=True),
}

__all__ = [
    "LEFT_OUT",
    "SPLITS",
    "SPLIT_NAMES",
    "TEST",
    "TRAIN",
    "VALID",
    "Labels",
    "Split",
    "SplitInput",
    "assign_folds",
    "check_splits",
    "count_rows",
    "find_salt",
    "hash_images",
    "hash_keys",
    "hash_rows",
    "moments_of",
    "separate_observations",
]
