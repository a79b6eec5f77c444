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
    thousands: Thousands = ""
    unit: str = ""
    dates: DateForm = "iso"


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class ColumnEntry:
    """One column as the file has it."""

    kind: Kind
    dtype: Dtype
    nullable: bool = False
    use: bool = True
    min: float | None = None
    max: float | None = None
    levels: list[str | int | bool] | None = None
    pattern: str | None = None
    unique: bool = False
    accept: list[str] = Field(default_factory=list)
    written: WrittenEntry | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class RuleEntry:
    """A rule that is enforced differently from RULES."""

    severity: Severity | None = None
    limit: float | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class CheckEntry:
    """A rule over several columns, and how strictly it is kept."""

    rule: str
    severity: Severity = "error"


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Image:
    """The images' shape, (H, W) or (H, W, C)."""

    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=3)]
    dtype: Literal["uint8"] = "uint8"


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class SchemaFile:
    """The whole file."""

    target: str
    task: Task
    columns: dict[str, ColumnEntry]
    image: _Image | None = None
    unique: list[Annotated[list[str], Field(min_length=1)]] = Field(default_factory=list)
    checks: list[Annotated[CheckEntry, _short("rule")]] = Field(default_factory=list)
    rules: dict[str, Annotated[RuleEntry, _short("severity")]] = Field(default_factory=dict)


KEYS = tuple(
    name
    for entry in (SchemaFile, ColumnEntry, WrittenEntry, RuleEntry, CheckEntry)
    for name in entry.__dataclass_fields__
)
