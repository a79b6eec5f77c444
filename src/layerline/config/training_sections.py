"""The section on the network and how it is trained: train, and the sections inside it."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION, Component, Named
from layerline.config.member_sections import MembersSection
from layerline.config.transfer_sections import TransferSection


@dataclass(frozen=True, kw_only=True, config=SECTION)
class EarlyStoppingSection:
    """When to stop before the last epoch; the weights with the best monitored value are kept."""

    patience_epochs: Annotated[int, Field(ge=1)] | None = 20
    """Epochs without a better value after which training stops; null: no such rule."""
    cooldown_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs for which a training goes on when its patience is over, from its best weights on and
    with a rate that falls to 0; 0: it stops at once."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """How much better a value must be to count."""
    metric: Literal["loss", "error", "log_loss", "auc", "mae"] = "loss"
    """What is monitored on the validation rows: the loss, the error (1 - accuracy, RMSE),
    log_loss, auc (1 - area) or mae."""
    target: Annotated[float, Field(ge=0)] | None = None
    """A value of the metric that is good enough: training stops there."""
    time_minutes: Annotated[float, Field(gt=0)] | None = None
    """A budget for the whole training; runs are then no longer reproducible to the byte."""

    @model_validator(mode="after")
    def _cools_down_when_patience_is_over(self) -> "EarlyStoppingSection":
        if self.cooldown_epochs and self.patience_epochs is None:
            raise ValueError(
                "a cooldown begins when patience is over, and patience_epochs is null; set it, or "
                "remove cooldown_epochs"
            )
        return self


@dataclass(frozen=True, kw_only=True, config=SECTION)
class BatchGrowthSection:
    """A batch size that grows.

    Source: Smith et al., Don't Decay the Learning Rate, Increase the Batch Size (2018).
    """

    factor: Annotated[float, Field(gt=1)] = 2.0
    """What the batch size is multiplied by."""
    every_epochs: Annotated[int, Field(ge=1)] = 10
    """After how many epochs."""
    limit: Annotated[int, Field(ge=1)] = 4096
    """The most rows of a batch."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class DistributedSection:
    """Processes of this machine that train together."""

    processes: Annotated[int, Field(ge=1, le=1024)]
    """How many processes of this machine train together."""
    restarts: Annotated[int, Field(ge=0)] = 3
    """How often they are restarted from the last snapshot."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class TrainSection:
    """The network and how it is trained."""

    network: str = "mlp"
    """A name of the table of networks, `torchvision:NAME`, or your own `module:function`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The network's own options."""
    loss: Named = Component(name="auto")
    """The loss and its options; auto: cross_entropy for classes, mse for numbers."""
    optimizer: Named = Component(name="adamw")
    """The optimizer and its options."""
    schedule: Named = Component(name="cosine")
    """How the learning rate changes, and its options."""
    batch_size: Annotated[int, Field(ge=1)] = 128
    """Rows of a step's batch."""
    batch_growth: BatchGrowthSection | None = None
    """Larger batches in later epochs."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients make one step."""
    epochs: Annotated[int, Field(ge=1)] = 100
    """The most passes over the train rows."""
    early_stopping: EarlyStoppingSection | None = EarlyStoppingSection()
    """When to stop before the last epoch; null: never, and the last weights are kept."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """The longest that a step's gradient may be; longer ones are shortened."""
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The decay of an exponential average of the weights, which is validated and kept."""
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """Whether rows are drawn as they are, or each class equally often."""
    augment: tuple[Named, ...] = ()
    """Changes of images at random, in this order, each with its options."""
    members: MembersSection | None = None
    """Several networks that differ, as one; null: one network."""
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """A network for each of so many folds of the train and validation rows, as one."""
    monotone: dict[str, Literal["increasing", "decreasing"]] = Field(default_factory=dict)
    """Numeric columns with which a prediction may only rise, or only fall."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What products are computed in; auto: bfloat16 where it is faster."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where training runs; auto: a GPU where there is one."""
    transfer: TransferSection | None = None
    """Known weights to start from."""
    distributed: DistributedSection | Literal["auto"] = "auto"
    """How many processes train together; auto: those that torchrun started, else one, with a fork
    for each further core where members train."""

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
