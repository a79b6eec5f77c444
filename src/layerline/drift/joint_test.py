"""Whether a classifier can tell new rows from training rows, of which every column looks the same.

Half of both samples teach it. Of the other half Kolmogorov's and Smirnov's test, one-sided and
exact, compares the scores: new rows that it recognises have the higher ones. Rows of one
distribution get scores of one distribution, whatever it has learnt: the p-value holds.

Source: Friedman, On multivariate goodness-of-fit and two-sample testing (2003); Lopez-Paz and
Oquab, Revisiting classifier two-sample tests (2017).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.drift.joint_sample import SEED, Columns, JointSample
from layerline.drift.two_sample_tests import CLASSIFIER, Finding

JOINT = "the joint distribution"  # among the names of columns that drifted
LEAST_SAMPLED = 40
LEVELS = 16  # the most frequent ones; all others together are the last
LEAST_IMPORTANCE = 0.01  # of AUC
N_NAMED = 5


@dataclasses.dataclass(frozen=True)
class ToldApart:
    """What the classifier did with rows that it had not seen.

    Attributes:
        finding: its effect is the share of rows whose scores would have to move.
        auc: how often a new row has the higher score, of a training row and a new one; 0.5 is by
            chance.
        n_rows: sampled of the training rows and of the new ones.
    """

    finding: Finding
    auc: float
    n_rows: tuple[int, int]
    _names: tuple[str, ...]
    _model: Any
    _x: NDArray[np.float64]
    _is_new: NDArray[np.bool_]

    def columns(self) -> list[str]:
        """By which columns it tells the rows apart: those whose shuffling takes most of the AUC."""
        generator, lost = np.random.default_rng(SEED), {}
        for at, name in enumerate(self._names):
            shuffled = self._x.copy()
            shuffled[:, at] = generator.permutation(shuffled[:, at])
            lost[name] = self.auc - _auc(_scores(self._model, shuffled), self._is_new)
        ranked = sorted(lost, key=lambda name: -lost[name])
        return [name for name in ranked[:N_NAMED] if lost[name] >= LEAST_IMPORTANCE]


@dataclasses.dataclass(frozen=True)
class JointDrift:
    """What was found in all columns together.

    Attributes:
        p_adjusted, effect, auc, n_rows: see `ToldApart`.
        columns: by which a classifier tells new rows from training rows, where they drifted.
        skipped: why they were not tested; empty where they were.
    """

    drifted: bool = False
    p_adjusted: float = 1.0
    effect: float = 0.0
    auc: float = 0.5
    n_rows: tuple[int, int] = (0, 0)
    columns: tuple[str, ...] = ()
    skipped: str = ""

    def to_json(self) -> dict[str, Any]:
        """As drift.json holds it."""
        if self.skipped:
            return {"drifted": False, "skipped": self.skipped}
        state = dataclasses.asdict(self) | {"test": CLASSIFIER}
        del state["skipped"]
        return state | {name: round(state[name], 6) for name in ("effect", "auc")}


def judge(told: ToldApart | str, is_there: Mapping[Finding, bool]) -> JointDrift:
    """The outcome, where the finding is adjusted for all tests and either is drift or not."""
    if isinstance(told, str):
        return JointDrift(skipped=told)
    ((finding, drifted),) = is_there.items()
    columns = tuple(told.columns()) if drifted else ()
    return JointDrift(drifted, finding.p_value, finding.effect, told.auc, told.n_rows, columns)


def tell_apart(known: JointSample, new: JointSample) -> ToldApart | str:
    """Teach a classifier, and test it; or why that cannot be."""
    from scipy.stats import ks_2samp  # slow to import

    if not known.columns and len(known):
        return "the model reads no numbers and no categories"
    for sample, what in ((known, "rows that the model was trained on"), (new, "new rows")):
        if len(sample) < LEAST_SAMPLED:
            return f"there are {len(sample)} {what}, and {LEAST_SAMPLED} are needed"
    names, x, levels = _encode(known.columns, new.columns)
    is_new = np.arange(len(x)) >= len(known)
    order = np.random.default_rng(SEED).permutation(len(x))
    learns, other = (np.concatenate(parts) for parts in _halves(order, is_new))
    model = _taught(x[learns], is_new[learns], levels)
    scores, is_new = _scores(model, x[other]), is_new[other]
    # One-sided: rows that are in both samples get the scores of what was learnt of their twins.
    gap = ks_2samp(scores[is_new], scores[~is_new], alternative="less")
    finding = Finding(CLASSIFIER, float(gap.pvalue), float(gap.statistic))
    sizes = len(known), len(new)
    return ToldApart(finding, _auc(scores, is_new), sizes, names, model, x[other], is_new)


def _halves(order: NDArray[np.intp], is_new: NDArray[np.bool_]) -> Any:
    """Of each sample every second row of a random order, and the others."""
    samples = order[~is_new[order]], order[is_new[order]]
    return [[sample[start::2] for sample in samples] for start in (0, 1)]


def _encode(known: Columns, new: Columns) -> tuple[tuple[str, ...], NDArray[np.float64], list[int]]:
    """The names of the columns, all rows (B, F), and the places of the categories."""
    names: list[str] = []
    values: list[NDArray[np.float64]] = []
    levels: list[int] = []
    for name, before in known.items():
        both = np.concatenate([before, new[name]])
        if any(np.all(part != part) for part in (before, new[name])):  # a target of one of them
            continue
        if both.dtype == object:
            levels.append(len(names))
        names.append(name)
        values.append(_ranks(both) if both.dtype == object else both)
    return tuple(names), np.column_stack(values), levels


def _ranks(texts: NDArray[Any]) -> NDArray[np.float64]:
    """Each level as its rank among the most frequent; gaps are NaN."""
    is_there = texts == texts
    found, places, counts = np.unique(
        texts[is_there].astype(str), return_inverse=True, return_counts=True
    )
    rank = np.empty(len(found))
    rank[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(found)), LEVELS - 1)
    ranks = np.full(len(texts), np.nan)
    ranks[is_there] = rank[places]
    return ranks


def _taught(x: NDArray[np.float64], is_new: NDArray[np.bool_], levels: list[int]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier  # slow to import
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        learning_rate=0.08,
        max_iter=60,
        max_leaf_nodes=16,
        max_bins=LEVELS,
        categorical_features=levels or None,
        early_stopping=False,
        random_state=SEED,
    )
    with threadpool_limits(1):  # for the same bytes on any number of cores
        return model.fit(x, is_new)


def _scores(model: Any, x: NDArray[np.float64]) -> NDArray[np.float64]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.asarray(model.decision_function(x))


def _auc(scores: NDArray[np.float64], is_new: NDArray[np.bool_]) -> float:
    ordered = np.sort(scores[~is_new])
    places = [np.searchsorted(ordered, scores[is_new], side) for side in ("left", "right")]
    return float(np.mean(places) / len(ordered))
