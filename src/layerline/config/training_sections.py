"""The section on the network and how it is trained: train, and the sections inside it."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION, WITH_FROM, Component, Named


@dataclass(frozen=True, kw_only=True, config=SECTION)
class EarlyStoppingSection:
    """When to stop before the last epoch; the weights with the best monitored value are kept.

    `metric` is the loss, the error (1 - accuracy, RMSE), log_loss, auc (1 - area), or mae. `target`
    is a value of it that is good enough. With `time_minutes` the clock decides,
    and runs are no longer reproducible to the byte.
    """

    patience_epochs: Annotated[int, Field(ge=1)] | None = 20
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    metric: Literal["loss", "error", "log_loss", "auc", "mae"] = "loss"
    target: Annotated[float, Field(ge=0)] | None = None
    time_minutes: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, kw_only=True, config=SECTION)
class BatchGrowthSection:
    """Multiply the batch size by `factor` every `every_epochs` epochs, up to `limit` rows.

    Source: Smith et al., Don't Decay the Learning Rate, Increase the Batch Size (2018).
    """

    factor: Annotated[float, Field(gt=1)] = 2.0
    every_epochs: Annotated[int, Field(ge=1)] = 10
    limit: Annotated[int, Field(ge=1)] = 4096


@dataclass(frozen=True, kw_only=True, config=SECTION)
class RangeSection:
    """Numbers between two bounds; with `log` evenly spread over their logarithms."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _rising(self) -> "RangeSection":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("needs low < high, and low > 0 with log: true")
        return self


def _read_axis(value: Any) -> Any:
    # pydantic would report both branches of a union: several lines for one mistake.
    if isinstance(value, RangeSection) or (isinstance(value, list | tuple) and value):
        return value
    try:
        return RangeSection(**value)
    except (TypeError, ValueError):
        raise ValueError(
            "must be a list of values, or {low: NUMBER, high: NUMBER, log: true or false} with "
            "low < high, and low > 0 with log: true"
        ) from None


Axis = Annotated[Any, PlainValidator(_read_axis)]
AxisPath = Annotated[str, Field(pattern=r"^(options|optimizer)\.[\w.]+$")]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class MembersSection:
    """Several networks of one training, and what is kept of them: docs/training.md.

    `space` has values for paths below train, `options.NAME` or `optimizer.NAME`; a member draws its
    own from there. `keep: greedy` chooses members by the validation rows, with weights.
    """

    count: Annotated[int, Field(ge=2, le=1000)] = 4
    keep: Literal["greedy", "all", "best"] = "greedy"
    space: dict[AxisPath, Axis] | None = None


@dataclass(frozen=True, kw_only=True, config=SECTION)
class AdaptersSection:
    """Low-rank adapters: W + alpha / rank * B A, of which only A and B learn.

    `on` are patterns of module paths that match linear layers or 1 × 1 convolutions.
    Source: Hu et al., LoRA (2021).
    """

    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0)] = 8.0
    on: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ForgettingSection:
    """Rows the source was trained on, on which it and the new network are compared afterwards.

    `data` is a folder `data` or `data/validated` of the source's checkout, a Parquet file of raw
    rows with their target, or dvc:REVISION.
    """

    data: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class DistributedSection:
    """How many processes of this machine train together, and how often they are restarted."""

    processes: Annotated[int, Field(ge=1, le=1024)]
    restarts: Annotated[int, Field(ge=0)] = 3


def _read_distributed(value: Any) -> Any:
    # pydantic would report both branches of a union: several lines for one mistake.
    if value == "auto" or isinstance(value, DistributedSection):
        return value
    try:
        return DistributedSection(**value)
    except (TypeError, ValueError):
        raise ValueError(
            "must be auto (the processes that torchrun started, else one), or "
            "{processes: NUMBER, restarts: NUMBER}"
        ) from None


Distributed = Annotated[DistributedSection | Literal["auto"], PlainValidator(_read_distributed)]


_FINE_TUNING = ("learn", "last_blocks", "rate_decay", "head_epochs", "unfreeze_every", "l2_sp")


@dataclass(frozen=True, kw_only=True, config=WITH_FROM)
class TransferSection:
    """Which known weights training starts from, and which of them it trains: docs/transfer.md.

    `source` is `from` in params.yaml. `columns` maps a source's column to its name here, or to null
    where it is dropped. Blocks are counted from the head, which is not one of them.
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
        given = [name for name in _FINE_TUNING if getattr(self, name) != usual.get(name)]
        given += ["adapters"] if self.adapters else []
        if self.mode == "feature_extraction" and given:
            raise ValueError(
                f"mode feature_extraction trains the head alone, so {given[0]} has no effect; "
                "remove it, or set mode: fine_tune"
            )
        choices = [name for name in ("learn", "last_blocks", "adapters") if name in given]
        if len(choices) > 1:
            raise ValueError(f"{' and '.join(choices)} each choose what is trained; keep one")
        return self


@dataclass(frozen=True, kw_only=True, config=SECTION)
class TrainSection:
    """The network and how it is trained."""

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
    members: MembersSection | None = None
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    transfer: TransferSection | None = None
    distributed: Distributed = "auto"

    @model_validator(mode="after")
    def _one_start(self) -> "TrainSection":
        if self.members is not None and self.transfer is not None:
            raise ValueError(
                "members start from several seeds, transfer from known weights; keep one"
            )
        if self.folds is not None and self.transfer is not None:
            raise ValueError(
                "folds train a network each from the start, transfer begins with known weights; "
                "keep one"
            )
        return self

    @model_validator(mode="after")
    def _a_member_for_each_fold(self) -> "TrainSection":
        if self.folds is None or self.members is None:
            return self
        if self.members.keep != "all":
            raise ValueError(
                f"members of different folds are judged on different rows, so keep: "
                f"{self.members.keep} cannot compare them; set members.keep: all, or remove folds"
            )
        if self.members.count < self.folds:
            raise ValueError(
                f"each of {self.folds} folds needs a member, and members.count is "
                f"{self.members.count}; raise it, or lower folds"
            )
        return self

    @property
    def has_members(self) -> bool:
        """Whether several networks are trained."""
        return self.members is not None or self.folds is not None

    @property
    def keep(self) -> str:
        """What is kept of them."""
        if self.members is None:
            return "best" if self.folds is None else "all"
        return self.members.keep

    @property
    def monitored(self) -> str:
        """The validation metric that stopping and adaptive schedules monitor."""
        return self.early_stopping.metric if self.early_stopping else "loss"
