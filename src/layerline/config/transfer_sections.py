"""The sections on known weights: train.transfer and what lies in it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION, WITH_FROM


@dataclass(frozen=True, kw_only=True, config=SECTION)
class AdaptersSection:
    """Low-rank adapters: W + alpha / rank * B A, of which only A and B learn.

    Source: Hu et al., LoRA (2021).
    """

    rank: Annotated[int, Field(ge=1)] = 8
    """The rank of B A."""
    alpha: Annotated[float, Field(gt=0)] = 8.0
    """The scale of B A, before it is divided by the rank."""
    on: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Patterns of module paths that match linear layers or 1 × 1 convolutions."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ForgettingSection:
    """Rows the source was trained on, on which it and the new network are compared afterwards."""

    data: Annotated[str, Field(min_length=1)]
    """A folder `data` or `data/validated` of the source's checkout, a Parquet file of raw rows
    with their target, or dvc:REVISION."""


_FINE_TUNING = ("learn", "last_blocks", "rate_decay", "head_epochs", "unfreeze_every", "l2_sp")


@dataclass(frozen=True, kw_only=True, config=WITH_FROM)
class TransferSection:
    """Which known weights training starts from, and which of them it trains: docs/transfer.md."""

    source: Annotated[str, Field(alias="from", min_length=1)]
    """Where the weights come from: an alias, a model URI, a run, a folder, torchvision:NAME."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The checksum that the weights must have."""
    mode: Literal["fine_tune", "feature_extraction"] = "fine_tune"
    """Whether known weights learn, too, or the new head alone."""
    columns: dict[str, str | None] = Field(default_factory=dict)
    """A source's column: its name here, or null where it is dropped."""
    skip: tuple[str, ...] = ()
    """Patterns of weights that are not taken."""
    head: Literal["auto", "new", "keep"] = "auto"
    """Whether the last layer starts anew; auto keeps it where the outputs are the same."""
    learn: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Patterns of the weights that learn; the others are frozen."""
    last_blocks: Annotated[int, Field(ge=1)] | None = None
    """How many blocks learn, counted from the head, which is not one of them."""
    rate_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """What the learning rate is multiplied by for each block away from the head."""
    head_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs in which the head learns alone, before the rest does."""
    unfreeze_every: Annotated[int, Field(ge=1)] | None = None
    """Epochs after which one more block learns, from the head on; null: all from the start."""
    l2_sp: Annotated[float, Field(ge=0)] = 0.0
    """How strongly weights are drawn to where they started."""
    adapters: AdaptersSection | None = None
    """Low-rank adapters, which learn in place of the known weights."""
    forgetting: ForgettingSection | None = None
    """Rows on which the source and the new network are compared."""
    cache: bool = True
    """With feature_extraction: compute the frozen part's outputs once."""

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
