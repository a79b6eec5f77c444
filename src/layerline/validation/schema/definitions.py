"""What one column, and all columns together, must look like; plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from layerline.config import Task
from layerline.validation.schema.severities import RULES, Setting, Severity

Kind = Literal["number", "category", "date", "text"]
Dtype = Literal["int64", "float64", "bool", "str", "datetime64[us]"]
Level = str | int | float | bool
# Read by `validate` alone; the manifests of later stages hold them only where they are set.
_ONLY_CHECKED = {"pattern": None, "unique": False, "accept": ()}


@dataclass(frozen=True)
class ColumnSpec:
    """One column; limits hold for numbers, levels for categories, the pattern for text."""

    name: str
    kind: Kind
    dtype: Dtype
    nullable: bool = False
    use: bool = True
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[Level, ...] | None = None
    pattern: str | None = None
    unique: bool = False
    accept: tuple[str, ...] = ()  # warnings of this column that are not to be said

    def to_dict(self) -> dict[str, Any]:
        """As a manifest holds it."""
        state = asdict(self) | {"levels": None if self.levels is None else list(self.levels)}
        for name, default in _ONLY_CHECKED.items():
            if state[name] == default:
                del state[name]
        return state | ({"accept": list(self.accept)} if self.accept else {})

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "ColumnSpec":
        """The inverse of `to_dict`."""
        levels, accept = state["levels"], tuple(state.get("accept", ()))
        levels = None if levels is None else tuple(levels)
        return cls(**{**state, "levels": levels, "accept": accept})


@dataclass(frozen=True)
class CrossRule:
    """A rule over several columns of a row: `start <= end`."""

    text: str
    severity: Severity = "error"


@dataclass(frozen=True)
class TableSchema:
    """All columns: features, then the target, then the split column (`use: false`)."""

    target: str
    task: Task
    columns: tuple[ColumnSpec, ...]
    image_shape: tuple[int, ...] | None = None  # (H, W) or (H, W, C), uint8
    unique: tuple[tuple[str, ...], ...] = ()  # groups of columns that tell rows apart
    checks: tuple[CrossRule, ...] = ()
    rules: Mapping[str, Setting] = field(default_factory=dict)  # what the user set otherwise

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
    def categories(self) -> frozenset[str]:
        """The columns that have levels."""
        return frozenset(column.name for column in self.columns if column.kind == "category")

    @property
    def classes(self) -> tuple[Level, ...] | None:
        """The target's levels, or None for regression."""
        return None if self.task == "regression" else self[self.target].levels

    def setting(self, rule: str) -> Setting:
        """How a rule is kept: as the file says, else as RULES does."""
        return self.rules.get(rule, RULES[rule].default)

    def severity(self, rule: str, column: str | None = None) -> Severity:
        """How a rule is kept for one column; the target's own rules cannot be relaxed."""
        if column == self.target and RULES[rule].scope == "row" and rule != "limits":
            return "error"
        return self.setting(rule).severity
