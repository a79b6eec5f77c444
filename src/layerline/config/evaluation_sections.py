"""The sections on what follows training: evaluate, register and its gate."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ThresholdSection:
    """What the threshold of a binary decision is chosen for, on the validation rows.

    With `metric: cost`, the costs of a false positive and a false negative, in the same unit.
    """

    metric: Literal["f1", "accuracy", "balanced_accuracy", "cost"]
    false_positive: Annotated[float, Field(ge=0)] = 1.0
    false_negative: Annotated[float, Field(ge=0)] = 1.0


def _class_costs(value: Any) -> Any:
    # One rule in one sentence: a union would refuse once for each of its members.
    if value is None or value in ("steps", "squared_steps"):
        return value
    if isinstance(value, Mapping) and all(map(_are_costs, value.values())):
        return dict(value)
    raise ValueError(
        "must be steps, squared_steps, or for each class a number above 0, or a mapping of the "
        "classes that it is taken for to numbers of at least 0"
    )


def _are_costs(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_cost(cost) for cost in value.values())
    return _is_cost(value) and value > 0


def _is_cost(value: Any) -> bool:
    return isinstance(value, int | float) and value is not True and 0 <= value < math.inf


Pairs = dict[str, float | dict[str, float]]
ClassCosts = Annotated[
    str | Pairs | None,
    PlainValidator(
        _class_costs, json_schema_input_type=Literal["steps", "squared_steps"] | Pairs | None
    ),
]
Coverage = Annotated[float, Field(ge=0.5, lt=1)]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ConformalSection:
    """The coverage of conformal regions; `by` is a category whose levels have it one by one."""

    level: Coverage = 0.9
    by: str | None = None


@dataclass(frozen=True, kw_only=True, config=SECTION)
class EvaluateSection:
    """How outputs become decisions, and which metrics are computed on the rows of each split.

    `positive` is the class that the threshold applies to; the second by default. `class_costs` say
    what a mistaken row of a class costs, also by the class that it is taken for; 1 where nothing is
    said. `steps` is the distance of the two in the order of the schema. `conformal` is the share of
    new rows whose true value is to be within their interval or set; in a mapping also `by`, the
    target or a category, each of whose levels is to have that share. `metrics` are functions of the
    user's own, by import path.
    """

    temperature: bool = True
    threshold: ThresholdSection | Annotated[float, Field(gt=0, lt=1)] | None = None
    positive: str | int | bool | None = None
    class_costs: ClassCosts = None
    conformal: ConformalSection | Coverage | None = None
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    metrics: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    importance_rows: Annotated[int, Field(ge=0)] = 1000
    baselines: tuple[Literal["majority", "linear", "gradient_boosting"], ...] = (
        "majority",
        "linear",
    )

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
    """When a challenger replaces the champion: the lower bound of its gain is above `margin`.

    `floors` are the worst values a new champion may have, by their names in reports/metrics.json.
    `slices` are columns: on none of their levels may it lose more than `slice_tolerance`, in the
    unit of the gain. Fewer test rows than `min_rows` cannot distinguish two models; a level with
    fewer than `min_slice_rows` is shown, not judged. `max_latency_ms` is for one row, in process.
    """

    metric: Literal["auto", "log_loss", "accuracy", "mean_cost", "rmse", "mae"] = "auto"
    margin: Annotated[float, Field(ge=0)] = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    floors: dict[str, float] = Field(default_factory=dict)
    slices: tuple[str, ...] = ()
    slice_tolerance: Annotated[float, Field(ge=0)] = 0.0
    min_slice_rows: Annotated[int, Field(ge=2)] = 30
    min_rows: Annotated[int, Field(ge=2)] = 30
    target_shift: Literal["refuse", "allow"] = "refuse"
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    max_size_mb: Annotated[float, Field(gt=0)] | None = None


def _free_alias(alias: str) -> str:
    if alias == "latest" or re.fullmatch(r"v\d+", alias):
        raise ValueError("MLflow reserves `latest` and `v1`, `v2`, ...; choose another alias")
    return alias


@dataclass(frozen=True, kw_only=True, config=SECTION)
class RegisterSection:
    """Which alias the registered model gets, by which gate, and what is exported with it.

    `promote_experiments`: a run inside `dvc exp run` may become champion, too.
    """

    gate: GateSection = GateSection()
    export: tuple[Literal["onnx", "torch"], ...] = ()
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$"), AfterValidator(_free_alias)] = (
        "champion"
    )
    promote_experiments: bool = False
