"""What a fitted scaler is once it is frozen: plain numbers, simple arithmetic column by column.

A transform maps (B, F) float64 without gaps to (B, F) and back. Its state is JSON, in which `kind`
names it: numpy applies it, and any other runtime could.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class Transform(Protocol):
    """Scales each column on its own."""

    def apply(self, x: Matrix) -> Matrix:
        """(B, F) -> (B, F)."""

    def invert(self, z: Matrix) -> Matrix:
        """(B, F) -> (B, F), back in the user's unit."""

    def to_json(self) -> dict[str, Any]:
        """Its whole state, with `kind`."""
