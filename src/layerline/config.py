"""params.yaml as frozen, typed sections; the only reader of that file.

One class a section, one field a key. `load_params` refuses unknown keys, wrong types and values
out of range all at once, each with its dotted path. Options of components (a network, a source, an
optimizer) are checked against the component's own signature by `layerline.preflight`.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from layerline.errors import ParamsError, Problem
from layerline.lookup import problems_of, read_choices
from layerline.masking import credentials_in

Task = Literal["binary", "multiclass", "regression"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
_SECTION = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class Component:
    """A named entry of a table and its options: `{name: adamw, learning_rate: 0.001}`."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


def _component(key: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if isinstance(value, str):
            return Component(name=value)
        if isinstance(value, Mapping) and isinstance(value.get(key), str):
            options = {name: option for name, option in value.items() if name != key}
            return Component(name=value[key], options=options)
        if isinstance(value, Component):
            return value
        raise ValueError(f"must be a name, or a mapping with `{key}: NAME` and its options")

    return BeforeValidator(read)


Named = Annotated[Component, _component("name")]
Method = Annotated[Component, _component("method")]


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class FetchSection:
    """Where the data come from and what is to be predicted."""

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    target: str = "target"
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"


def _committed_schema(path: str | None) -> str | None:
    if path is not None and not path.startswith("data/schemas/"):
        raise ValueError("must lie in data/schemas/, the folder that DVC watches")
    return path


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class ValidateSection:
    """How strictly the frozen schema is enforced.

    `schema: null` means data/schemas/<project>.yaml.
    """

    schema: Annotated[str | None, AfterValidator(_committed_schema)] = None
    on_bad_rows: Literal["fail", "quarantine"] = "fail"
    max_bad_fraction: Fraction = 0.05
    min_class_rows: Annotated[int, Field(ge=1)] = 3


def _by_column(default: str) -> AfterValidator:
    def check(value: str | dict[str, Any]) -> str | dict[str, Any]:
        read_choices(value, default)
        return value

    return AfterValidator(check)


_WITH_FROM = ConfigDict(**_SECTION, populate_by_name=True)  # `from` is no name in Python


@dataclass(frozen=True, kw_only=True, config=_WITH_FROM)
class ReusedPreprocessor:
    """Take an earlier model's preprocessor; `columns` maps its columns to their names here."""

    source: Annotated[str, Field(alias="from", min_length=1)]
    columns: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class ScaleSection:
    """How rows are split and how columns become numbers; everything is fitted on train rows.

    `numeric`, `missing`, `categorical` and `dates` are a name, a name with options, or a default
    and other choices by column: see `layerline.lookup.read_choices`.
    """

    split: Method = Component(name="hash")
    numeric: Annotated[str | dict[str, Any], _by_column("standard")] = "standard"
    missing: Annotated[str | dict[str, Any], _by_column("median")] = "median"
    missing_indicator: bool = True
    categorical: Annotated[str | dict[str, Any], _by_column("one_hot")] = "one_hot"
    dates: Annotated[str | dict[str, Any], _by_column("days")] = "days"
    target: Named = Component(name="standard")
    fit_rows: Annotated[int, Field(ge=1000)] = 1_000_000
    preprocessor: ReusedPreprocessor | None = None


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class EarlyStoppingSection:
    """When to stop before the last epoch; the weights with the best monitored value are kept.

    `target` is a value of the metric that is good enough. `time_minutes` makes the clock decide, so
    that equal bytes are no longer promised.
    """

    patience_epochs: Annotated[int, Field(ge=1)] | None = 20
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    metric: Literal["loss", "error"] = "loss"
    target: Annotated[float, Field(ge=0)] | None = None
    time_minutes: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class BatchGrowthSection:
    """Multiply the batch size by `factor` every `every_epochs` epochs, up to `limit` rows.

    Source: Smith et al., Don't Decay the Learning Rate, Increase the Batch Size (2018).
    """

    factor: Annotated[float, Field(gt=1)] = 2.0
    every_epochs: Annotated[int, Field(ge=1)] = 10
    limit: Annotated[int, Field(ge=1)] = 4096


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class RestartsSection:
    """Train from `seeds` seeds: `seed`, `seed + 1`, ...; keep the best on validation rows, or all.

    An ensemble averages the answers of all of them.
    """

    seeds: Annotated[int, Field(ge=2, le=1000)] = 5
    keep: Literal["best", "ensemble"] = "best"


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class AdaptersSection:
    """Low-rank adapters: W + alpha / rank * B A, of which only A and B learn.

    `on` are patterns of module paths; linear layers and 1 × 1 convolutions can have one.
    Source: Hu et al., LoRA (2021).
    """

    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0)] = 8.0
    on: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class ForgettingSection:
    """Rows the source knew, on which it and the new network are compared after the training.

    `data` is a folder `data` or `data/validated` of the source's checkout, a Parquet file of raw
    rows with their target, or dvc:REVISION.
    """

    data: Annotated[str, Field(min_length=1)]


_FINE_TUNING = ("learn", "last_blocks", "rate_decay", "head_epochs", "unfreeze_every", "l2_sp")


@dataclass(frozen=True, kw_only=True, config=_WITH_FROM)
class TransferSection:
    """Start from known weights, and which of them go on learning; docs/transfer.md has all of it.

    `source` is `from` in params.yaml. `columns` maps a source's column to its name here, or to null
    where it is left behind. Blocks are counted from the head, which is none of them.
    """

    source: Annotated[str, Field(alias="from", min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    mode: Literal["fine_tune", "feature_extraction"] = "fine_tune"
    columns: dict[str, str | None] = Field(default_factory=dict)
    skip: tuple[str, ...] = ()
    head: Literal["auto", "new", "keep"] = "auto"
    learn: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    last_blocks: Annotated[int, Field(ge=1)] | None = None
    rate_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    head_epochs: Annotated[int, Field(ge=0)] = 0
    unfreeze_every: Annotated[int, Field(ge=1)] | None = None
    l2_sp: Annotated[float, Field(ge=0)] = 0.0
    adapters: AdaptersSection | None = None
    forgetting: ForgettingSection | None = None
    cache: bool = True

    @model_validator(mode="after")
    def _fit_together(self) -> "TransferSection":
        usual = {"rate_decay": 1.0, "head_epochs": 0, "l2_sp": 0.0}
        said = [name for name in _FINE_TUNING if getattr(self, name) != usual.get(name)]
        said += ["adapters"] if self.adapters else []
        if self.mode == "feature_extraction" and said:
            raise ValueError(
                f"mode feature_extraction trains the head alone, so {said[0]} says nothing; "
                "leave it out, or set mode: fine_tune"
            )
        choices = [name for name in ("learn", "last_blocks", "adapters") if name in said]
        if len(choices) > 1:
            raise ValueError(f"{' and '.join(choices)} each say what learns; leave one")
        return self


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class TrainSection:
    """The network and how it learns."""

    network: str = "mlp"
    options: dict[str, Any] = Field(default_factory=dict)
    loss: Named = Component(name="auto")
    optimizer: Named = Component(name="adamw")
    schedule: Named = Component(name="cosine")
    batch_size: Annotated[int, Field(ge=1)] = 128
    batch_growth: BatchGrowthSection | None = None
    accumulate: Annotated[int, Field(ge=1)] = 1
    epochs: Annotated[int, Field(ge=1)] = 100
    early_stopping: EarlyStoppingSection | None = EarlyStoppingSection()
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    augment: tuple[Named, ...] = ()
    restarts: RestartsSection | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    transfer: TransferSection | None = None

    @model_validator(mode="after")
    def _one_start(self) -> "TrainSection":
        if self.restarts is not None and self.transfer is not None:
            raise ValueError(
                "restarts start from several seeds, transfer from known weights; leave one"
            )
        return self

    @property
    def monitored(self) -> str:
        """The validation metric that stopping and adaptive schedules look at: loss or error."""
        return self.early_stopping.metric if self.early_stopping else "loss"


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class ThresholdSection:
    """What a binary decision is chosen for on the validation rows.

    With `metric: cost`, what a false positive and a false negative cost, in one unit.
    """

    metric: Literal["f1", "accuracy", "balanced_accuracy", "cost"]
    false_positive: Annotated[float, Field(ge=0)] = 1.0
    false_negative: Annotated[float, Field(ge=0)] = 1.0


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class EvaluateSection:
    """How outputs become decisions, and which figures are computed on the rows of each split.

    `positive` is the class that a threshold is for: the second where none is named.
    """

    temperature: bool = True
    threshold: ThresholdSection | Annotated[float, Field(gt=0, lt=1)] | None = None
    positive: str | int | bool | None = None
    bootstrap: Annotated[int, Field(ge=0)] = 1000
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    slices: tuple[str, ...] = ()
    importance_rows: Annotated[int, Field(ge=0)] = 1000
    baselines: tuple[Literal["majority", "linear", "gradient_boosting"], ...] = (
        "majority",
        "linear",
    )


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class GateSection:
    """When a challenger replaces the champion: the lower bound of its gain is above `margin`.

    `floors` are the worst values a new champion may have, by the names of reports/metrics.json.
    `slices` are columns: on none of their levels may it lose more than `slice_tolerance`, in the
    unit of the gain. Fewer test rows than `min_rows` cannot tell two models apart, and a level of
    fewer than `min_slice_rows` is shown, not judged. `max_latency_ms` is for one row in process.
    """

    metric: Literal["auto", "log_loss", "accuracy", "rmse", "mae"] = "auto"
    margin: Annotated[float, Field(ge=0)] = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    floors: dict[str, float] = Field(default_factory=dict)
    slices: tuple[str, ...] = ()
    slice_tolerance: Annotated[float, Field(ge=0)] = 0.0
    min_slice_rows: Annotated[int, Field(ge=2)] = 30
    min_rows: Annotated[int, Field(ge=2)] = 30
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    max_size_mb: Annotated[float, Field(gt=0)] | None = None


def _free_alias(alias: str) -> str:
    if alias == "latest" or re.fullmatch(r"v\d+", alias):
        raise ValueError("MLflow keeps `latest` and `v1`, `v2`, ... for itself")
    return alias


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class RegisterSection:
    """Which alias of the registered model is kept, by which gate, and what is exported with it."""

    gate: GateSection = GateSection()
    export: tuple[Literal["onnx", "torch"], ...] = ()
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$"), AfterValidator(_free_alias)] = (
        "champion"
    )


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class RetrainSection:
    """How `layerline retrain` runs."""

    wait_seconds: Annotated[float, Field(ge=0)] = 60.0


@dataclass(frozen=True, kw_only=True, config=_SECTION)
class Params:
    """The whole of params.yaml."""

    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    fetch: FetchSection
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    validate: ValidateSection = ValidateSection()
    scale: ScaleSection = ScaleSection()
    train: TrainSection = TrainSection()
    evaluate: EvaluateSection = EvaluateSection()
    register: RegisterSection = RegisterSection()
    retrain: RetrainSection = RetrainSection()
    study: dict[str, Any] = Field(default_factory=dict)

    @property
    def schema_path(self) -> Path:
        """Where the project's frozen schema lives, relative to the repository root."""
        return Path(self.validate.schema or f"data/schemas/{self.project}.yaml")


def read_yaml(path: Path) -> Any:
    """Read YAML 1.2 (where `3e-4` is a number, and `no` and `off` are words).

    Raises:
        ParamsError: there is no such file, or it is not valid YAML (with line and column).
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = "not found; run from the repository root, or make one with `layerline init`"
        raise ParamsError([Problem(str(path.parent.resolve()), message)], path.name) from None
    except (YAMLError, UnicodeDecodeError) as error:
        text = re.sub(r"\s+", " ", str(error)).strip()
        raise ParamsError([Problem("not valid YAML 1.2", text)], str(path)) from None


def parse_params(raw: Any) -> tuple[Params | None, list[Problem]]:
    """Turn the mapping of a params file into Params, or into the list of all its problems."""
    if not isinstance(raw, Mapping):
        return None, [Problem("(root)", "must be a mapping with `project` and `fetch`")]
    problems = _credential_problems(raw)
    try:
        # JSON mode: strict about scalars, yet a YAML list may fill a tuple.
        params = TypeAdapter(Params).validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        return None, [*problems, *problems_of(error, "", _field_names(Params))]
    return None if problems else params, problems


# No stage reads them, so DVC does not copy them.
_NOT_IN_DVC = ("retrain", "study")


def _credential_problems(raw: Mapping[str, Any]) -> list[Problem]:
    """Refuse what DVC would copy into dvc.lock, which is committed, and into its cache."""
    copied = {key: value for key, value in raw.items() if key not in _NOT_IN_DVC}
    message = (
        "holds a credential, and DVC copies params to dvc.lock, which is committed, and to its "
        "cache; take it out of params.yaml (and change it where it was committed already)"
    )
    return [Problem(name, message) for name in credentials_in(flatten(copied))]


def _field_names(section: type) -> tuple[str, ...]:
    names: list[str] = []
    for field in dataclasses.fields(section):
        names.append(field.name)
        for part in getattr(field.type, "__args__", (field.type,)):
            if dataclasses.is_dataclass(part) and isinstance(part, type):
                names.extend(_field_names(part))
    return tuple(names)


def load_params(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: with every problem found, each with its dotted path.
    """
    params, problems = parse_params(read_yaml(path))
    if params is None:
        raise ParamsError(problems, path.name)
    return params


def flatten(section: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> leaf value, for logging: `{"train.optimizer.name": "adamw", ...}`."""
    if dataclasses.is_dataclass(section) and not isinstance(section, type):
        section = dataclasses.asdict(section)
    flat: dict[str, Any] = {}
    for key, value in section.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat
