"""Values that a model cannot read: told at once as one error, or kept, row by row."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.errors import DataError


class Refusal:
    """The first column with values that cannot be read ends it, with the first of its rows.

    Args:
        rows_before: added to row numbers in messages, when the rows are a piece of a file.
    """

    def __init__(self, rows_before: int = 0) -> None:
        self._rows_before = rows_before

    def number(self, position: int) -> int:
        """The row's number in the file, from 1."""
        return self._rows_before + int(position) + 1

    def take(
        self,
        wrong: NDArray[np.bool_],
        told: Callable[[NDArray[Any]], str],
        reason: Callable[[int], str],
    ) -> None:
        """Refuse rows.

        Args:
            wrong: (B,) which rows.
            told: their positions -> one message about all of them.
            reason: a position -> what is wrong with this one.

        Raises:
            DataError: there is one.
        """
        positions = np.flatnonzero(wrong)
        if len(positions):
            self._take(positions, told, reason)

    def _take(
        self, positions: NDArray[Any], told: Callable[[NDArray[Any]], str], reason: Any
    ) -> None:
        raise DataError(told(positions))


ALOUD = Refusal()


class Kept(Refusal):
    """Nothing ends: `reasons` has what is wrong first with each row, by its position."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[int, str] = {}

    def _take(self, positions: NDArray[Any], told: Any, reason: Callable[[int], str]) -> None:
        for position in positions.tolist():
            if position not in self.reasons:
                self.reasons[position] = reason(position)
