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
    """Which train rows are recent enough, and how much less the older of them count.

    The last `rows` of the table, in its order; or those of the last `days` (of numbers: units)
    before the newest row, `by` a column. With `half_life_rows` or `half_life_days` the weight of a
    train row halves with each so many.
    """

    rows: Annotated[int, Field(ge=1)] | None = None
    days: Annotated[float, Field(gt=0)] | None = None
    half_life_rows: Annotated[float, Field(gt=0)] | None = None
    half_life_days: Annotated[float, Field(gt=0)] | None = None
    by: str | None = None

    @property
    def has_weights(self) -> bool:
        """Whether train rows count less the older they are."""
        return self.half_life_rows is not None or self.half_life_days is not None


def _whole_window(window: WindowSection | None) -> WindowSection | None:
    if window is None:
        return None
    by_rows = [window.rows is not None, window.half_life_rows is not None]
    by_days = [window.days is not None, window.half_life_days is not None]
    is_twice = any(map(all, zip(by_rows, by_days, strict=True)))
    if is_twice or not any(by_rows + by_days) or any(by_days) != bool(window.by):
        raise ValueError(
            "give either `rows: n`, or `days: n` and `by: COLUMN`; weights that halve with age "
            "likewise: `half_life_rows: n`, or `half_life_days: n` and `by: COLUMN`"
        )
    return window


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ScaleSection:
    """How rows are split and how columns become numbers; everything is fitted on train rows.

    `numeric`, `missing`, `categorical` and `dates` are each a name, a name with options, or a
    default with exceptions by column: see `layerline.lookup.read_choices`. Train rows outside the
    `window` are left out; older ones in it may count less.
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
