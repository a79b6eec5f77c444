"""What happens to rows that a model cannot read: they raise one error, or are collected."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from layerline.errors import DataError

SHOWN_ROWS = 5
TOO_LARGE = "has values too large for the model: it gives no finite prediction"


class Refusal:
    """Raises at the first column with values that cannot be read, naming the first of its rows.

    Args:
        rows_before: added to row numbers in messages, when the rows are a piece of a file.
    """

    def __init__(self, rows_before: int = 0) -> None:
        self._rows_before = rows_before

    def number(self, position: int) -> int:
        """The row's number in the file, from 1."""
        return self._rows_before + int(position) + 1

    def refuse(
        self,
        wrong: NDArray[np.bool_],
        summary: Callable[[NDArray[np.intp]], str],
        reason: Callable[[int], str],
    ) -> None:
        """Refuse rows.

        Args:
            wrong: (B,) which rows.
            summary: their positions -> one message about all of them.
            reason: a position -> what is wrong with this row.

        Raises:
            DataError: a row is wrong.
        """
        positions = np.flatnonzero(wrong)
        if len(positions):
            self._refuse(positions, summary, reason)

    def refuse_infinite(
        self, outputs: NDArray[np.float32], places: NDArray[np.intp] | None = None
    ) -> None:
        """Refuse rows whose outputs (B, O) are not finite.

        Args:
            outputs: of the network.
            places: of these rows among all; None where they are all.

        Raises:
            DataError: there is such a row.
        """
        wrong = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
        if len(wrong):
            wrong = wrong if places is None else places[wrong]
            self._refuse(wrong, lambda rows: f"row {self.number(rows[0])} {TOO_LARGE}", _too_large)

    def _refuse(
        self,
        positions: NDArray[np.intp],
        summary: Callable[[NDArray[np.intp]], str],
        reason: Callable[[int], str],
    ) -> None:
        raise DataError(summary(positions))


def _too_large(position: int) -> str:
    return TOO_LARGE


RAISE = Refusal()


class Collected(Refusal):
    """Raises nothing: `reasons` has the first reason of each refused row, by its position."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[int, str] = {}

    def _refuse(
        self,
        positions: NDArray[np.intp],
        summary: Callable[[NDArray[np.intp]], str],
        reason: Callable[[int], str],
    ) -> None:
        for position in positions.tolist():
            if position not in self.reasons:
                self.reasons[position] = reason(position)
