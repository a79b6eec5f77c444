"""What evaluate found out, as reports/evaluation.json holds it and the model card tells it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerline.config import EvaluateSection, Params
from layerline.evaluation.baselines import Baseline
from layerline.evaluation.bootstrap import Interval, bounds, interval
from layerline.evaluation.decision import Decision
from layerline.evaluation.decision_fit import Calibration
from layerline.evaluation.forgetting_report import Forgetting
from layerline.evaluation.permutation_importance import Importance
from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.resampling import Drawn, resample, share_of
from layerline.evaluation.slices import Slice, worst
from layerline.text import readable


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """Precision and recall of one class on the test rows, with their intervals."""

    name: str
    n_rows: int
    n_predicted: int
    precision: Interval
    recall: Interval


@dataclasses.dataclass(frozen=True)
class Findings:
    """Everything about one model on its rows; figures and intervals are those of the test rows."""

    params: Params
    data: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Interval]
    classes: Sequence[ClassFigures]
    decision: Decision
    calibration: Calibration | None
    slices: Sequence[Slice]
    importance_of: str
    importance: Sequence[Importance]
    baselines: Sequence[Baseline]
    worth: str
    diagnosis: str
    mistakes: pd.DataFrame
    hashes: Mapping[str, str]
    network: str
    forgetting: Forgetting | None = None

    def to_json(self) -> dict[str, Any]:
        """As reports/evaluation.json holds it."""
        return {
            "intervals": _plain(self.intervals),
            "classes": [dataclasses.asdict(found) for found in self.classes],
            "decision": self.decision.to_json(self.data["classes"]),
            "calibration": None if self.calibration is None else _plain(self.calibration),
            "slices": [found.to_json() for found in self.slices],
            "worst_slices": [f"{s.column} = {s.level}" for s in worst(self.slices)],
            "importance": {
                "of": self.importance_of,
                "columns": [dataclasses.asdict(found) for found in self.importance],
            },
            "baselines": {found.name: found.figures for found in self.baselines},
            "worth": self.worth,
            "diagnosis": self.diagnosis,
            **({} if self.forgetting is None else {"forgetting": self.forgetting.to_json()}),
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: dataclasses.asdict(entry) for name, entry in value.items()}
    return dataclasses.asdict(value)


def measure_classes(
    p: Predictions, names: Sequence[Any], section: EvaluateSection, seed: int
) -> list[ClassFigures]:
    """Precision and recall by class; 0 where nothing was predicted or there is no row."""
    right, predicted, actual = Drawn(p, np.ones((1, len(p.actual)))).outcomes
    pieces = [piece.outcomes for piece in resample(p, section.bootstrap, seed)]
    drawn = [np.concatenate(part) for part in zip(*pieces, strict=True)] if pieces else []

    def with_interval(whole: Floats, k: int, place: int) -> Interval:
        value = float(share_of(right, whole)[0, k])
        if not drawn:
            return Interval(value, value, value)
        resampled = share_of(drawn[0], drawn[place])[:, k]
        n_rows = int(whole[0, k])
        return bounds(value, resampled[drawn[place][:, k] > 0], section.confidence, n_rows)

    return [
        ClassFigures(
            str(name),
            int(actual[0, k]),
            int(predicted[0, k]),
            with_interval(predicted, k, 1),
            with_interval(actual, k, 2),
        )
        for k, name in enumerate(names)
    ]


def judge_worth(
    p: Predictions, baselines: Sequence[Baseline], section: EvaluateSection, seed: int
) -> str:
    """One sentence on whether the network is worth it: against the best baseline, row by row."""
    if not baselines or not section.bootstrap:
        return ""
    figure = "rmse" if p.probabilities is None else "log_loss"
    best = min(baselines, key=lambda found: found.figures[figure])
    losses = p.row_losses(figure)
    gain = interval(best.losses - losses, section.bootstrap, section.confidence, seed)
    own = float(losses.mean()) ** (0.5 if figure == "rmse" else 1)
    shown = (
        f"its test {figure} is {readable(own)}, that of the best baseline ({best.name}) "
        f"{readable(best.figures[figure])}; the gain a row is {readable(gain.mean)} "
        f"({readable(gain.lower)} to {readable(gain.upper)}"
        f"{', squared' if figure == 'rmse' else ''})"
    )
    if gain.lower > 0:
        return f"The network is worth it: {shown}."
    if gain.upper < 0:
        return f"The network is not worth it: {shown}. Use the baseline, or train better."
    return f"The network is not proven to be worth it: {shown}, which may be chance."
