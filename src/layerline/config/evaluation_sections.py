"""The sections on what follows training: evaluate, register and its gate."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ThresholdSection:
    """What the threshold of a binary decision is chosen for, on the validation rows."""

    metric: Literal["f1", "accuracy", "balanced_accuracy", "cost"]
    """What the threshold makes best."""
    false_positive: Annotated[float, Field(ge=0)] = 1.0
    """With metric: cost, what a false positive costs."""
    false_negative: Annotated[float, Field(ge=0)] = 1.0
    """With metric: cost, what a false negative costs, in the same unit."""


Costs = dict[str, Annotated[float, Field(ge=0)]]  # of a class, by that which it is taken for
ClassCosts = Literal["steps", "squared_steps"] | dict[str, Annotated[float, Field(gt=0)] | Costs]
Coverage = Annotated[float, Field(ge=0.5, lt=1)]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ConformalSection:
    """The coverage of conformal regions."""

    level: Coverage = 0.9
    """The share of new rows whose true value is to be within their interval or set."""
    by: str | None = None
    """The target or a category, each of whose levels is to have that share."""
    method: Literal["split", "cv_plus"] = "split"
    """split: one margin, from rows held out; cv_plus: around the answers of each fold's networks,
    from the rows of that fold."""

    @model_validator(mode="after")
    def _one_margin(self) -> "ConformalSection":
        if self.by is not None and self.method == "cv_plus":
            raise ValueError("cv_plus has no margins by group; remove by, or set method: split")
        return self


@dataclass(frozen=True, kw_only=True, config=SECTION)
class EvaluateSection:
    """How outputs become decisions, and which metrics are computed on the rows of each split."""

    temperature: bool = True
    """Calibrate probabilities by a temperature, if that lowers the log loss."""
    threshold: ThresholdSection | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Binary tasks: the probability of a decision, or what it is chosen for."""
    positive: str | int | bool | None = None
    """The class that the threshold applies to; null: the second."""
    class_costs: ClassCosts | None = None
    """What a mistaken row of a class costs, also by the class that it is taken for; 1 where nothing
    is said. steps: the distance of the two in the order of the schema."""
    conformal: ConformalSection | Coverage | None = None
    """The coverage of an interval or set around each prediction; null: none."""
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    """Resamples for the intervals of metrics; 0: no intervals."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """The confidence of these intervals."""
    metrics: tuple[str, ...] = ()
    """Metrics of your own, by import path: docs/evaluation.md."""
    slices: tuple[str, ...] = ()
    """Columns whose levels are evaluated one by one."""
    importance_rows: Annotated[int, Field(ge=0)] = 1000
    """Test rows for permutation importance; 0: none."""
    baselines: tuple[Literal["majority", "linear", "gradient_boosting"], ...] = (
        "majority",
        "linear",
    )
    """Models the network is compared with."""

    @model_validator(mode="after")
    def _names_differ(self) -> "EvaluateSection":
        names = [path.rpartition(":")[2] for path in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"metrics have one name twice: {', '.join(names)}; rename one")
        return self

    @model_validator(mode="after")
    def _one_decision(self) -> "EvaluateSection":
        if self.class_costs is not None and self.threshold is not None:
            raise ValueError("threshold and class_costs each decide a row's class; keep one")
        return self

    @property
    def regions(self) -> ConformalSection | None:
        """What `conformal` asks for."""
        if self.conformal is None or isinstance(self.conformal, ConformalSection):
            return self.conformal
        return ConformalSection(level=self.conformal)


@dataclass(frozen=True, kw_only=True, config=SECTION)
class GateSection:
    """When a challenger replaces the champion: the lower bound of its gain is above `margin`."""

    metric: Literal["auto", "log_loss", "accuracy", "mean_cost", "rmse", "mae", "r2"] = "auto"
    """What models are compared by; auto: log_loss for classes, rmse for numbers, r2 for several
    targets that are numbers. Of several targets it is the mean over these."""
    margin: Annotated[float, Field(ge=0)] = 0.0
    """The lower bound of the gain must be above this."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """The confidence of that bound."""
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    """Resamples for that bound."""
    floors: dict[str, float] = Field(default_factory=dict)
    """The worst values a new champion may have, by their names in reports/metrics.json."""
    slices: tuple[str, ...] = ()
    """Columns on none of whose levels it may lose more than `slice_tolerance`."""
    slice_tolerance: Annotated[float, Field(ge=0)] = 0.0
    """In the unit of the gain."""
    min_slice_rows: Annotated[int, Field(ge=2)] = 30
    """A level with fewer test rows is shown, not judged."""
    min_rows: Annotated[int, Field(ge=2)] = 30
    """Fewer test rows cannot distinguish two models."""
    target_shift: Literal["refuse", "allow"] = "refuse"
    """Whether the target may be distributed otherwise than the champion's."""
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """The longest that one row may take, in process."""
    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    """The most that the model's files may take."""


def _free_alias(alias: str) -> str:
    if alias == "latest" or re.fullmatch(r"v\d+", alias):
        raise ValueError("MLflow reserves `latest` and `v1`, `v2`, ...; choose another alias")
    return alias


@dataclass(frozen=True, kw_only=True, config=SECTION)
class RegisterSection:
    """Which alias the registered model gets, by which gate, and what is exported with it."""

    gate: GateSection = GateSection()
    """When a challenger replaces the champion."""
    export: tuple[Literal["onnx", "torch"], ...] = ()
    """Formats that the registered model also has."""
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$"), AfterValidator(_free_alias)] = (
        "champion"
    )
    """The alias of the best version."""
    promote_experiments: bool = False
    """Whether a run inside `dvc exp run` may become champion, too."""
    adopted: str | None = None
    """The run whose params `layerline adopt` took; register judges anew when it changes."""
