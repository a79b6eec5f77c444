"""Shares of rows: positions in [0, 1) cut into test, valid and train."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from layerline.errors import DataError
from layerline.scaling.splitting.row_hash import Hashes, hash_rows
from layerline.scaling.splitting.split import TEST, TRAIN, VALID, Labels, SplitInput

Share = Annotated[float, Field(gt=0, lt=1, description="The share of the rows.")]
Salt = Annotated[int, Field(ge=0, lt=2**31, description="Another one deals all rows again.")]
Names = str | tuple[str, ...]


def cut(position: NDArray[np.float64], valid: float, test: float) -> Labels:
    """Cut [0, 1) into test, valid and train, in that order: a larger share moves no test row.

    Raises:
        DataError: the shares leave nothing to train on.
    """
    require_train_share(valid, test)
    labels = np.full(len(position), TRAIN)
    labels[position < test + valid] = VALID
    labels[position < test] = TEST
    return labels


def require_train_share(valid: float, test: float) -> None:
    """Refuse shares that leave nothing to train on.

    Raises:
        DataError: they do.
    """
    if valid + test >= 1:
        raise DataError(
            f"scale.split: valid {valid} and test {test} leave no rows to train on; lower them"
        )


def hash_keys(rows: SplitInput, names: Names, where: str) -> Hashes:
    """(B,) hashes of the named columns alone.

    Raises:
        DataError: no column is named, or one is missing.
    """
    listed = [names] if isinstance(names, str) else list(names)
    if not listed:
        raise DataError(f"{where}: is an empty list; name at least one column")
    return hash_rows(rows.several(listed, where))
