"""What one column, and all columns together, must look like; plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from layerline.config import Task

Kind = Literal["number", "category", "date", "text"]
Dtype = Literal["int64", "float64", "bool", "str", "datetime64[us]"]
Level = str | int | float | bool


@dataclass(frozen=True)
class ColumnSpec:
    """One column; limits hold for numbers, levels for categories."""

    name: str
    kind: Kind
    dtype: Dtype
    nullable: bool = False
    use: bool = True
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[Level, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a manifest holds it."""
        return asdict(self) | {"levels": None if self.levels is None else list(self.levels)}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "ColumnSpec":
        """The inverse of `to_dict`."""
        levels = state["levels"]
        return cls(**{**state, "levels": None if levels is None else tuple(levels)})


@dataclass(frozen=True)
class TableSchema:
    """All columns: features, then the target, then the split column (`use: false`)."""

    target: str
    task: Task
    columns: tuple[ColumnSpec, ...]
    image_shape: tuple[int, ...] | None = None  # (H, W) or (H, W, C), uint8

    def __getitem__(self, name: str) -> ColumnSpec:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def features(self) -> tuple[ColumnSpec, ...]:
        """The columns that the network sees."""
        return tuple(c for c in self.columns if c.use and c.name != self.target)

    @property
    def classes(self) -> tuple[Level, ...] | None:
        """The target's levels, or None for regression."""
        return None if self.task == "regression" else self[self.target].levels
