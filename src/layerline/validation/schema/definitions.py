"""What all columns together must look like; plain values without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from layerline.columns.spec import ColumnSpec, Level
from layerline.config import Task
from layerline.validation.schema.severities import RULES, Setting, Severity

_RELAXABLE = ("limits", "levels", "pattern")  # rules of single values that a schema may relax


@dataclass(frozen=True)
class CrossRule:
    """A rule over several columns of a row: `start <= end`."""

    text: str
    severity: Severity = "error"


@dataclass(frozen=True)
class TableSchema:
    """All columns: features, then the target, then the split column (`use: false`).

    Of several targets `target` has the names in a row, for messages, and `several` each.
    """

    target: str
    task: Task
    columns: tuple[ColumnSpec, ...]
    image_shape: tuple[int, ...] | None = None  # (H, W) or (H, W, C), uint8
    unique: tuple[tuple[str, ...], ...] = ()  # groups of columns that identify rows
    checks: tuple[CrossRule, ...] = ()
    rules: Mapping[str, Setting] = field(default_factory=dict)  # what the user set otherwise
    several: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> ColumnSpec:
        return next(column for column in self.columns if column.name == name)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that are predicted, one or several."""
        return self.several or (self.target,)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def features(self) -> tuple[ColumnSpec, ...]:
        """The columns that the network sees."""
        return tuple(c for c in self.columns if c.use and c.name not in self.targets)

    @property
    def categories(self) -> frozenset[str]:
        """The columns that have levels."""
        return frozenset(column.name for column in self.columns if column.kind == "category")

    @property
    def classes(self) -> tuple[Level, ...] | None:
        """The target's levels, or None for regression and for several targets."""
        if self.task == "regression" or self.several:
            return None
        return self[self.target].levels

    def bound(self, column: ColumnSpec) -> ColumnSpec:
        """The column with the rules that refuse no row of it, as its model must know them."""
        lenient = (rule for rule in _RELAXABLE if self.severity(rule, column.name) != "error")
        return replace(column, lenient=tuple(lenient))

    def setting(self, rule: str) -> Setting:
        """How strictly a rule is enforced: as in the file, else as in RULES."""
        return self.rules.get(rule, RULES[rule].default)

    def severity(self, rule: str, column: str | None = None) -> Severity:
        """How strictly a rule is enforced for one column; those of the target are never relaxed."""
        if column in self.targets and RULES[rule].scope == "row" and rule != "limits":
            return "error"
        return self.setting(rule).severity
