"""Splits by shares: each row's place is drawn, by what it holds or by chance."""

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from layerline.errors import DataError
from layerline.scaling.splitting.row_hash import hash_rows, shares_of
from layerline.scaling.splitting.split_input import TEST, TRAIN, VALID, Labels, SplitInput

Share = Annotated[float, Field(gt=0, lt=1)]
Salt = Annotated[int, Field(ge=0, lt=2**31)]
Names = str | tuple[str, ...]


def by_share(position: NDArray[np.float64], valid: float, test: float) -> Labels:
    """Cut [0, 1) into test, valid and train, in that order: more test rows never move old ones.

    Raises:
        DataError: the shares leave nothing to train on.
    """
    check_shares(valid, test)
    labels = np.full(len(position), TRAIN)
    labels[position < test + valid] = VALID
    labels[position < test] = TEST
    return labels


def check_shares(valid: float, test: float) -> None:
    """Refuse shares that leave nothing to train on.

    Raises:
        DataError: they do.
    """
    if valid + test >= 1:
        raise DataError(
            f"scale.split: valid {valid} and test {test} leave no rows to train on; lower them"
        )


def by_hash(
    rows: SplitInput,
    *,
    keys: Names | None = None,
    valid: Share = 0.15,
    test: Share = 0.2,
    salt: Salt = 0,
) -> Labels:
    """By the row's content, or by `keys` alone: rows stay put as the table grows.

    Rows with equal content stay together. Another `salt` deals all rows anew.
    """
    hashes = rows.row_hashes if keys is None else _hash_keys(rows, keys, "scale.split.keys")
    return by_share(shares_of(hashes, salt), valid, test)


def by_group(
    rows: SplitInput,
    *,
    column: Names,
    valid: Share = 0.15,
    test: Share = 0.2,
    salt: Salt = 0,
) -> Labels:
    """All rows of a group (one patient, one shop) in one split, for ever; the shares are of groups.

    The columns that name the group are not learnt from: what is tested are groups never seen.
    """
    hashes = _hash_keys(rows, column, "scale.split.column")
    return by_share(shares_of(hashes, salt), valid, test)


def _hash_keys(rows: SplitInput, names: Names, where: str) -> NDArray[np.uint64]:
    listed = [names] if isinstance(names, str) else list(names)
    if not listed:
        raise DataError(f"{where}: names no column; name at least one")
    return hash_rows(rows.several(listed, where))


def at_random(rows: SplitInput, *, valid: Share = 0.15, test: Share = 0.2) -> Labels:
    """By a permutation drawn from the seed; exact shares."""
    order = np.random.default_rng(rows.seed).permutation(len(rows))
    return by_share(order / len(rows), valid, test)


def stratified(rows: SplitInput, *, valid: Share = 0.15, test: Share = 0.2) -> Labels:
    """At random within each class, so that every split has each class's share."""
    if not rows.is_classification:
        raise DataError("scale.split: `stratified` needs classes; use hash or random for numbers")
    check_shares(valid, test)
    generator = np.random.default_rng(rows.seed)
    labels = np.full(len(rows), TRAIN)
    codes, classes = pd.factorize(rows.column(rows.target))
    for code in range(len(classes)):
        members = generator.permutation(np.flatnonzero(codes == code))
        n_test, n_both = round(len(members) * test), round(len(members) * (test + valid))
        labels[members[:n_test]] = TEST
        labels[members[n_test:n_both]] = VALID
    return labels
