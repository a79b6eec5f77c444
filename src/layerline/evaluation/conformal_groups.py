"""Groups of rows with a conformal margin of their own: levels of a category, or the true class.

What a level is, is read from the network's input, so that whoever predicts needs nothing else.
Source: Vovk, Conditional Validity of Inductive Conformal Predictors (2012), Mondrian prediction.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem
from layerline.evaluation.predictions import Floats, Ints

ENOUGH_ROWS = 30  # with fewer, a group's margin would be left to chance: it has that of all rows


@dataclasses.dataclass(frozen=True)
class Groups:
    """The levels of `by`, and each one's score; None where it has too few rows.

    `first` is the feature that shows the level: its code or, where there are several in a row, the
    one that is 1. Of classes, which rows are not known to have before, it is None.
    """

    by: str
    levels: tuple[str, ...]
    first: int | None = None
    is_code: bool = False
    scores: tuple[float | None, ...] = ()

    def places(self, x: NDArray[np.floating]) -> Ints:
        """(B, F) inputs of the network -> (B,) the level of each row; -1 where it has none."""
        assert self.first is not None
        if self.is_code:
            codes = x[:, self.first].astype(np.int64)
            return np.where(codes < len(self.levels), codes, -1)
        block = x[:, self.first : self.first + len(self.levels)]
        return np.where(block.max(axis=1) > 0, block.argmax(axis=1), -1)

    def fit(self, places: Ints, quantile: Callable[[NDArray[np.bool_]], float]) -> "Groups":
        """With each level's own quantile, of the rows of a mask (B,), where they are enough."""
        of_level = [places == place for place in range(len(self.levels))]
        found = [quantile(own) if own.sum() >= ENOUGH_ROWS else None for own in of_level]
        return dataclasses.replace(self, scores=tuple(found))

    def margins(self, x: NDArray[np.floating] | None, otherwise: float) -> Floats:
        """(B, 1) each row's score, or (1, K) each class's; `otherwise` where it has none."""
        known = np.array([otherwise if score is None else score for score in self.scores])
        if self.first is None:
            return known[None]
        if x is None:
            return np.full((1, 1), otherwise)
        return np.append(known, otherwise)[self.places(x)][:, None]

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Groups":
        """The inverse of `dataclasses.asdict`."""
        lists = {name: tuple(state[name]) for name in ("levels", "scores")}
        return cls(**{**state, **lists})


def find_groups(by: str, data: Mapping[str, Any], sizes: Sequence[int]) -> Groups:
    """The groups that `evaluate.conformal.by` names.

    Args:
        by: a category that the network reads, or the target, where it is a class.
        data: the manifest of data/scaled.
        sizes: the number of levels of each input that is a code; these come last.

    Raises:
        ParamsError: it is neither.
    """
    features, classes, target = data.get("features") or [], data["classes"], data["target"]
    if by == target and classes is not None:
        return Groups(by, tuple(map(str, classes)))
    codes = dict(zip(features[len(features) - len(sizes) :], sizes, strict=True))
    if by in codes:
        levels = tuple(map(str, range(codes[by])))
        return Groups(by, levels, features.index(by), is_code=True)
    ours = [place for place, name in enumerate(features) if _is_level(name, by)]
    if ours and any(features[place].startswith(f"{by}=") for place in ours):
        names = (features[place] for place in ours)
        levels = tuple(name.removeprefix(f"{by}=") for name in names)
        return Groups(by, levels, ours[0])
    found = dict.fromkeys(name.partition("=")[0] for name in features if "=" in name)
    known = [*codes, *found, *([target] if classes is not None else [])]
    shown = ", ".join(map(repr, known[:20])) or "there is none"
    message = f"{by!r} is no category that the network reads; name one of these: {shown}"
    raise ParamsError([Problem("evaluate.conformal.by", message)])


def _is_level(feature: str, by: str) -> bool:
    return feature.startswith(f"{by}=") or feature in (f"{by} is missing", f"{by} is rare")
