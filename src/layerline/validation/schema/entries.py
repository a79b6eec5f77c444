"""The schema file as YAML has it: keys and types, before anything is made of them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from layerline.columns.spec import Dtype, Kind
from layerline.columns.written import DateForm, Decimal, Thousands
from layerline.config import Task
from layerline.validation.schema.severities import Severity

_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _short(key: str) -> BeforeValidator:
    """Let plain text stand for a mapping with this one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class WrittenEntry:
    """How a column's text is written, where that is not the plain way."""

    decimal: Decimal = "."
    """the mark before the decimals"""
    thousands: Thousands = ""
    """the mark between groups of three digits"""
    unit: str = ""
    """what stands before or after each number"""
    dates: DateForm = "iso"
    """the order of day, month and year, or what numbers count"""


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class ColumnEntry:
    """One column as the file has it."""

    kind: Kind
    """number, category, date, or text (free text, which no network here reads)"""
    dtype: Dtype
    """int64 (whole numbers), float64 (decimals), bool, str or datetime64[us]"""
    nullable: bool = False
    """true: values may be missing"""
    use: bool = True
    """false: the column must be there, but the network does not see it"""
    min: float | None = None
    """a number below it is bad; inferred as ten times the seen range's width below it"""
    max: float | None = None
    """a number above it is bad; inferred as ten times the seen range's width above it"""
    levels: list[str | int | bool] | None = None
    """the only values a category may have"""
    pattern: str | None = None
    """a regular expression that the whole text must match"""
    unique: bool = False
    """true: no value may come twice"""
    accept: list[str] = Field(default_factory=list)
    """[target_leak, ...]: warnings not reported for this column"""
    written: WrittenEntry | None = None
    """{decimal: ',', thousands: '.', unit: '€', dates: day_first}: how its text is written,
    where not the plain way; `layerline predict` and `serve` read the same"""


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class RuleEntry:
    """A rule that is enforced differently from RULES."""

    severity: Severity | None = None
    """error, warning or off"""
    limit: float | None = None
    """the rule's own limit: docs/validation.md"""


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class CheckEntry:
    """A rule over several columns, and how strictly it is kept."""

    rule: str
    """a comparison of columns: start <= end"""
    severity: Severity = "error"
    """error, warning or off"""


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Image:
    """The images' shape, (H, W) or (H, W, C)."""

    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=3)]
    """[height, width], or [height, width, colours]"""
    dtype: Literal["uint8"] = "uint8"
    """whole numbers from 0 to 255"""


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class SchemaFile:
    """The whole file."""

    target: str | list[str]
    """the column that is predicted"""
    task: Task
    """what is predicted; binary and multiclass need the classes as the target's levels"""
    columns: dict[str, ColumnEntry]
    """NAME: {kind: ..., dtype: ...}, one line a column"""
    image: _Image | None = None
    """{shape: [height, width]}: that of each row, where rows are images"""
    unique: list[Annotated[list[str], Field(min_length=1)]] = Field(default_factory=list)
    """[[customer, day], ...]: columns whose values together may not come twice"""
    checks: list[Annotated[CheckEntry, _short("rule")]] = Field(default_factory=list)
    """['start <= end', ...]: rules over the columns of a row"""
    rules: dict[str, Annotated[RuleEntry, _short("severity")]] = Field(default_factory=dict)

    """NAME: error, warning or off; all names: docs/validation.md"""

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that are predicted."""
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)
