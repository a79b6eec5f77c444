"""Precision and recall of each class, with intervals."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerline.config import EvaluateSection
from layerline.evaluation.bootstrap import Interval, bounds
from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.resampling import Drawn, resample, share_of


@dataclasses.dataclass(frozen=True)
class ClassMetrics:
    """Precision and recall of one class on the test rows."""

    name: str
    n_rows: int
    n_predicted: int
    precision: Interval
    recall: Interval


def measure_classes(
    p: Predictions, names: Sequence[Any], section: EvaluateSection, seed: int
) -> list[ClassMetrics]:
    """Precision and recall by class; 0 where no row was predicted or true."""
    right, predicted, actual = Drawn(p, p.multiples[None]).outcomes
    _, *counts = Drawn(p, np.ones((1, len(p.actual)))).outcomes
    pieces = [piece.outcomes for piece in resample(p, section.bootstrap, seed)]
    drawn = [np.concatenate(part) for part in zip(*pieces, strict=True)] if pieces else []

    def with_interval(whole: Floats, k: int, place: int) -> Interval:
        value = float(share_of(right, whole)[0, k])
        if not drawn:
            return Interval(value, value, value)
        resampled = share_of(drawn[0], drawn[place])[:, k]
        n_rows = int(counts[place - 1][0, k])
        return bounds(value, resampled[drawn[place][:, k] > 0], section.confidence, n_rows)

    return [
        ClassMetrics(
            str(name),
            int(counts[1][0, k]),
            int(counts[0][0, k]),
            with_interval(predicted, k, 1),
            with_interval(actual, k, 2),
        )
        for k, name in enumerate(names)
    ]
