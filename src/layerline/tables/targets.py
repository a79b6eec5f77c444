"""Several targets at once: the columns that are predicted, and what the network learns of them.

Numbers are standardised each by its own train rows (multi-output regression); of two levels the
second is 1 (multi-label). Together they are one array (B, T) float32.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerline.errors import DataError

if TYPE_CHECKING:  # training reads specs, and does without pandas
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class TargetColumn:
    """One of several targets: its name, the two levels of a label, the unit of a number."""

    name: str
    levels: tuple[Any, ...] | None = None  # (negative, positive); None: a number
    center: float = 0.0
    scale: float = 1.0

    @classmethod
    def fitted(
        cls, values: "pd.Series", levels: Sequence[Any] | None, *, scales: bool
    ) -> "TargetColumn":
        """From the train rows' values (B,); a number with mean 0 and deviation 1 if `scales`."""
        name = str(values.name)
        if levels is not None:
            return cls(name, tuple(levels))
        numbers = values.to_numpy(dtype=np.float64)
        if not scales:
            return cls(name)
        return cls(name, None, float(numbers.mean()), float(numbers.std()) or 1.0)

    def encode(self, values: "pd.Series") -> NDArray[np.float32]:
        """(B,) as the user has them -> (B,) float32.

        Raises:
            DataError: a value is neither of the two levels.
        """
        truths = self.truths(values)
        if self.levels is None:
            truths = (truths - self.center) / self.scale
        return truths.astype(np.float32)

    def truths(self, values: "pd.Series") -> NDArray[Any]:
        """(B,) as the user has them -> (B,) numbers in the user's unit, or indices of levels.

        Raises:
            DataError: a value is neither of the two levels.
        """
        if self.levels is None:
            return values.to_numpy(dtype=np.float64)
        import pandas as pd

        places = pd.Index(self.levels).get_indexer(pd.Index(values))
        if (places < 0).any():
            raise DataError(f"target {self.name!r} has a value that is not in {self.levels}")
        return places.astype(np.int64)


def encode_targets(rows: "pd.DataFrame", targets: Sequence[TargetColumn]) -> NDArray[np.float32]:
    """The targets' columns -> (B, T)."""
    return np.stack([target.encode(rows[target.name]) for target in targets], axis=1)


def units(targets: Sequence[TargetColumn]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Center and scale (T,) of the targets: what lies between the network and the user."""
    return np.array([t.center for t in targets]), np.array([t.scale for t in targets])


def read_targets(state: Sequence[Mapping[str, Any]] | None) -> tuple[TargetColumn, ...]:
    """Of a manifest or a spec; none where there is a single target."""
    return tuple(
        TargetColumn(**{**one, "levels": None if one["levels"] is None else tuple(one["levels"])})
        for one in state or ()
    )


def write_targets(targets: Sequence[TargetColumn]) -> list[dict[str, Any]]:
    """The inverse of `read_targets`, as JSON can hold it."""
    return [
        {**dataclasses.asdict(one), "levels": None if one.levels is None else list(one.levels)}
        for one in targets
    ]


def target_names(about: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that are predicted, by the manifest of data/raw or data/validated."""
    return tuple(about.get("target_names") or (about["target"],))


def named(names: Sequence[str]) -> dict[str, Any]:
    """What a manifest says of the targets: one by its name, several also in a list.

    >>> named(["price", "rent"])
    {'target': 'price, rent', 'target_names': ['price', 'rent']}
    """
    several = {"target_names": list(names)} if len(names) > 1 else {}
    return {"target": ", ".join(names), **several}
