"""Slices of the test rows on which the challenger must not be worse: `register.gate.slices`."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem
from layerline.evaluation.slices import slices_of
from layerline.text import closest, listing


class Slice(NamedTuple):
    """A part of the rows: its name, such as `soil=clay`, and (B,) which rows are in it."""

    name: str
    is_in: NDArray[np.bool_]


def gate_slices(frame: pd.DataFrame, columns: Sequence[str]) -> list[Slice]:
    """Cut the rows by each of the columns, as the evaluation's report does.

    Raises:
        ParamsError: a column is not in the data.
    """
    known = [str(name) for name in frame.columns]
    for position, name in enumerate(columns):
        if name not in known:
            near = closest(name, known)
            hint = f"did you mean {near!r}? " if near else ""
            message = f"the test rows have no column {name!r}; {hint}they have: {listing(known)}"
            raise ParamsError([Problem(f"register.gate.slices.{position}", message)])
    return [
        Slice(f"{name}={level}", is_in)
        for name in columns
        for level, is_in in slices_of(frame[name])
    ]
