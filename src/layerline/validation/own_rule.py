"""A rule of the user's own, named by its import path: `checks: [mine.rules:no_weekends]`.

A function of a DataFrame in the schema's types that returns one truth value for each row: whether
the row keeps the rule. A missing value among them keeps it. Large tables come in batches.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import ParamsError
from layerline.own_code import calling, find_function, problem

_FORM = "def NAME(frame) -> pd.Series"


@dataclasses.dataclass(frozen=True)
class OwnRule:
    """A rule: its import path, the columns, the function, and the schema's key that has it."""

    text: str
    columns: tuple[str, ...]
    keeps: Callable[[pd.DataFrame], Any]
    where: str
    file: str

    def broken_rows(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows break it, (B,) bool.

        Raises:
            ParamsError: it raises, or gives something else than truth values of rows.
        """
        try:
            with calling(self.text, self.where):
                found = pd.Series(self.keeps(frame.copy())).reset_index(drop=True)
            if len(found) != len(frame) or not pd.api.types.is_bool_dtype(found):
                message = f"gives {len(found)} values of {found.dtype} for {len(frame)} rows, not "
                raise problem(self.text, self.where, f"{message}one truth value for each row")
        except ParamsError as error:
            raise ParamsError(error.problems, self.file) from error
        return ~found.fillna(value=True).to_numpy(dtype=bool)


def find_rule(name: str, columns: tuple[str, ...], where: str, file: str) -> OwnRule:
    """The rule of an import path, which the schema has at `where`.

    Raises:
        ParamsError: there is no such file or function, or it takes other arguments.
    """
    try:
        keeps = find_function(name, where, ("frame",), _FORM)
    except ParamsError as error:
        raise ParamsError(error.problems, file) from error
    return OwnRule(name, columns, keeps, where, file)
