"""Everything that evaluate found, as reports/evaluation.json holds it and the card shows it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from layerline.config import Params
from layerline.evaluation.baselines import Baseline
from layerline.evaluation.bootstrap import Interval
from layerline.evaluation.class_metrics import ClassMetrics
from layerline.evaluation.decision import Decision
from layerline.evaluation.forgetting_report import Forgetting
from layerline.evaluation.looks import NO_LOOKS, Looks
from layerline.evaluation.monotone_sweeps import Sweep
from layerline.evaluation.permutation_importance import Importance
from layerline.evaluation.slice_coverage import SliceCoverage
from layerline.evaluation.slice_metrics import SliceMetrics, worst_slices
from layerline.evaluation.temperature import Calibration


@dataclasses.dataclass(frozen=True)
class EvaluationResults:
    """Everything about one model; intervals, classes, slices are those of the test rows."""

    params: Params
    data: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Interval]
    classes: Sequence[ClassMetrics]
    decision: Decision
    calibration: Calibration | None
    slices: Sequence[SliceMetrics]
    coverage: Sequence[SliceCoverage]
    importance_of: str
    importance: Sequence[Importance]
    baselines: Sequence[Baseline]
    worth: str
    diagnosis: str
    worst_predictions: pd.DataFrame
    hashes: Mapping[str, str]
    network: str
    members: Sequence[Mapping[str, Any]] = ()  # as the manifest of models/network has them
    distilled: Mapping[str, Any] | None = None  # as that manifest has it, too
    forgetting: Forgetting | None = None
    sweeps: Sequence[Sweep] = ()
    looks: Looks = NO_LOOKS

    @property
    def is_regression(self) -> bool:
        """Whether the target, or each of several, is a number."""
        return self.data["classes"] is None and self.data["task"] != "multilabel"

    @property
    def judged_by(self) -> str:
        """The rows that decisions are fitted on."""
        return "the validation rows" if self.params.train.folds is None else "rows out of fold"

    def to_json(self) -> dict[str, Any]:
        """As reports/evaluation.json holds it."""
        return {
            "intervals": _plain(self.intervals),
            "classes": [dataclasses.asdict(found) for found in self.classes],
            "decision": self.decision.to_json(self.data["classes"]),
            "calibration": None if self.calibration is None else _plain(self.calibration),
            "slices": [found.to_json() for found in self.slices],
            "worst_slices": [f"{s.column} = {s.level}" for s in worst_slices(self.slices)],
            **({"coverage": [s.to_json() for s in self.coverage]} if self.coverage else {}),
            "importance": {
                "of": self.importance_of,
                "columns": [dataclasses.asdict(found) for found in self.importance],
            },
            "baselines": {found.name: found.figures for found in self.baselines},
            "worth": self.worth,
            "diagnosis": self.diagnosis,
            "test_looks": self.looks.to_json(self.params.evaluate.confidence),
            **({"monotone": [dataclasses.asdict(s) for s in self.sweeps]} if self.sweeps else {}),
            **({} if self.forgetting is None else {"forgetting": self.forgetting.to_json()}),
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: dataclasses.asdict(entry) for name, entry in value.items()}
    return dataclasses.asdict(value)
