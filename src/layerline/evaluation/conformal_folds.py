"""CV+: regions around what the networks of each fold answer, from the errors of that fold's rows.

A new row is compared with every row held out, by the networks that did not learn from that one. So
regions are wider where networks differ, which one margin around their mean leaves out.

Sources: Barber et al., Predictive Inference with the Jackknife+ (2021), section 3, for numbers;
Romano et al., Classification with Valid and Adaptive Coverage (2020), section 2.3, for classes.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.errors import ParamsError, Problem
from layerline.evaluation.predictions import Floats, Ints

MOST_ROWS = 20_000  # each row's score is part of the model, and is looked at for each prediction
_AT_ONCE = 1 << 22  # numbers in memory


@dataclasses.dataclass(frozen=True)
class FoldScores:
    """The largest scores of each fold's rows, in rising order, and its `members` of the ensemble.

    A value is in the region where at least `n_above` of all these rows have a score as large as its
    own, by the answer of their fold; so no fold needs more than that many.
    """

    members: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[float, ...], ...]
    n_above: int

    def intervals(self, numbers: Sequence[Floats]) -> Floats:
        """(B, 1) or (B, Q) numbers of each fold, on the target's curve -> (B, 2)."""
        low = -self._highest([-own[:, 0] for own in numbers])
        return np.stack([low, self._highest([own[:, -1] for own in numbers])], axis=1)

    def _highest(self, centers: Sequence[Floats]) -> Floats:
        """(B,) of each fold -> (B,) the highest value in the region."""
        scores = np.concatenate(self.scores)
        sizes, place = [len(own) for own in self.scores], len(scores) - self.n_above
        found, together = np.empty(len(centers[0])), np.stack(centers, axis=1)
        step = max(1, _AT_ONCE // len(scores))
        for start in range(0, len(found), step):
            part = slice(start, start + step)
            values = np.repeat(together[part], sizes, axis=1) + scores
            found[part] = np.partition(values, place, axis=1)[:, place]
        return found

    def sets(self, probabilities: Sequence[Floats]) -> NDArray[np.bool_]:
        """(B, K) probabilities by each fold -> (B, K), whether a class is in the set."""
        n_larger = [
            len(own) - np.searchsorted(own, 1 - found, side="left")
            for own, found in zip(self.scores, probabilities, strict=True)
        ]
        return np.sum(n_larger, axis=0) >= self.n_above

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "FoldScores":
        """The inverse of `dataclasses.asdict`."""
        members, scores = (tuple(map(tuple, state[name])) for name in ("members", "scores"))
        return cls(members, scores, int(state["n_above"]))


def fit_folds(
    scores: Floats, folds: Ints, members: Sequence[Mapping[str, Any]], rank: int
) -> FoldScores:
    """From the scores (B,) of rows held out, whose `folds` (B,) are numbers.

    Args:
        scores: as `interval_scores` and `set_scores` give them.
        folds: which fold held a row out.
        members: the networks, as the manifest of models/network has them.
        rank: of the score that a new row's is below, among all.

    Raises:
        ParamsError: too many rows, or a single network is left.
    """
    where, n_rows = "evaluate.conformal.method", len(scores)
    if n_rows > MOST_ROWS:
        message = (
            f"cv_plus keeps the error of each row held out, of {MOST_ROWS:,} at most, and there "
            f"are {n_rows:,}; set method: split, which is as good with so many"
        )
        raise ParamsError([Problem(where, message)])
    kept = [member["drawn"]["fold"] for member in members if member["weight"] > 0]
    if len(kept) < 2:
        message = "cv_plus needs the networks of two folds, the others diverged; set method: split"
        raise ParamsError([Problem(where, message)])
    n_above, used = n_rows - rank + 1, np.unique(folds).tolist()
    largest = [np.sort(scores[folds == fold])[-n_above:] for fold in used]
    places = [tuple(p for p, own in enumerate(kept) if own == fold) for fold in used]
    return FoldScores(tuple(places), tuple(tuple(own.tolist()) for own in largest), n_above)
