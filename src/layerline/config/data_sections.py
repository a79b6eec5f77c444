"""The sections on the data and how they become numbers: fetch, validate, scale."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION, WITH_FROM, Component, Method, Named, by_column

Task = Literal["binary", "multiclass", "regression"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class FetchSection:
    """Where the data come from and what to predict; `weights` is a column: what each row counts."""

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    target: str = "target"
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    weights: str | None = None


def _committed_schema(path: str | None) -> str | None:
    if path is not None and not path.startswith("data/schemas/"):
        raise ValueError("must be in data/schemas/, the folder that DVC watches")
    return path


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ValidateSection:
    """How strictly the frozen schema is enforced.

    `schema: null` means data/schemas/<project>.yaml.
    """

    schema: Annotated[str | None, AfterValidator(_committed_schema)] = None
    on_bad_rows: Literal["fail", "quarantine"] = "fail"
    max_bad_fraction: Fraction = 0.05
    min_class_rows: Annotated[int, Field(ge=1)] = 3


@dataclass(frozen=True, kw_only=True, config=WITH_FROM)
class ReusedPreprocessor:
    """Reuse an earlier model's preprocessor; `columns` maps its columns to their names here."""

    source: Annotated[str, Field(alias="from", min_length=1)]
    columns: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=SECTION)
class WindowSection:
    """Which train rows are recent enough.

    The last `rows` of the table, in its order; or those of the last `days` (of numbers: units)
    before the newest row, `by` a column.
    """

    rows: Annotated[int, Field(ge=1)] | None = None
    days: Annotated[float, Field(gt=0)] | None = None
    by: str | None = None


def _whole_window(window: WindowSection | None) -> WindowSection | None:
    given = None if window is None else (window.rows is None, window.days is None, not window.by)
    if given not in (None, (False, True, True), (True, False, False)):
        raise ValueError("give either `rows: n`, or `days: n` and `by: COLUMN`")
    return window


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ScaleSection:
    """How rows are split and how columns become numbers; everything is fitted on train rows.

    `numeric`, `missing`, `categorical` and `dates` are each a name, a name with options, or a
    default with exceptions by column: see `layerline.lookup.read_choices`. Train rows outside the
    `window` are left out.
    """

    split: Method = Component(name="hash")
    window: Annotated[WindowSection | None, AfterValidator(_whole_window)] = None
    numeric: Annotated[str | dict[str, Any], by_column("standard")] = "standard"
    missing: Annotated[str | dict[str, Any], by_column("median")] = "median"
    missing_indicator: bool = True
    categorical: Annotated[str | dict[str, Any], by_column("one_hot")] = "one_hot"
    dates: Annotated[str | dict[str, Any], by_column("days")] = "days"
    target: Named = Component(name="standard")
    fit_rows: Annotated[int, Field(ge=1000)] = 1_000_000
    preprocessor: ReusedPreprocessor | None = None
