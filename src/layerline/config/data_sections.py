"""The sections on the data and how they become numbers: fetch, validate, scale."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION, WITH_FROM, Component, Method, Named, by_column

Task = Literal["binary", "multiclass", "regression", "multi_regression", "multilabel"]
SEVERAL = ("multi_regression", "multilabel")  # tasks of several targets
Fraction = Annotated[float, Field(ge=0, lt=1)]


def _different(target: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(target, str):
        return target
    if not target or len(set(target)) < len(target):
        raise ValueError("must name a column, or several that differ")
    return target if len(target) > 1 else target[0]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class FetchSection:
    """Where the data come from and what to predict."""

    source: str
    """Where the data come from: a name of the table of sources."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The source's own options."""
    target: Annotated[str | tuple[str, ...], AfterValidator(_different)] = "target"
    """The column to predict; a list of several: all numbers, or all of two levels."""
    task: Literal["auto"] | Task = "auto"
    """What is predicted; auto finds it from the target's values."""
    weights: str | None = None
    """A column of positive numbers: what each row counts."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict, one or several."""
        return (self.target,) if isinstance(self.target, str) else self.target


def _committed_schema(path: str | None) -> str | None:
    if path is not None and not path.startswith("data/schemas/"):
        raise ValueError("must be in data/schemas/, the folder that DVC watches")
    return path


@dataclass(frozen=True, kw_only=True, config=SECTION)
class ValidateSection:
    """How strictly the frozen schema is enforced."""

    schema: Annotated[str | None, AfterValidator(_committed_schema)] = None
    """The frozen schema; null: data/schemas/<project>.yaml."""
    on_bad_rows: Literal["fail", "quarantine"] = "fail"
    """Whether a bad row ends the run, or is set aside with its reason."""
    max_bad_fraction: Fraction = 0.05
    """With quarantine: more bad rows than this share end the run even then."""
    min_class_rows: Annotated[int, Field(ge=1)] = 3
    """The fewest rows that each class must have."""


@dataclass(frozen=True, kw_only=True, config=WITH_FROM)
class ReusedPreprocessor:
    """An earlier model's preprocessor, used again."""

    source: Annotated[str, Field(alias="from", min_length=1)]
    """The model: as train.transfer.from."""
    columns: dict[str, str] = Field(default_factory=dict)
    """A column of the model: its name here."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class WindowSection:
    """Which train rows are recent enough, and how much less the older of them count."""

    rows: Annotated[int, Field(ge=1)] | None = None
    """How many of the last rows of the table, in its order."""
    days: Annotated[float, Field(gt=0)] | None = None
    """How many days (of numbers: units) before the newest row."""
    half_life_rows: Annotated[float, Field(gt=0)] | None = None
    """After how many rows, from the newest back, the weight of a row is half."""
    half_life_days: Annotated[float, Field(gt=0)] | None = None
    """After how many days (of numbers: units) the weight of a row is half."""
    by: str | None = None
    """The column of dates or numbers that days are counted in."""

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
    """How rows are split and how columns become numbers; everything is fitted on train rows."""

    split: Method = Component(name="hash")
    """How rows become train, validation and test rows, and its options."""
    window: Annotated[WindowSection | None, AfterValidator(_whole_window)] = None
    """Which train rows are recent enough, and how much less older ones count."""
    numeric: Annotated[str | dict[str, Any], by_column("standard")] = "standard"
    """How numbers are scaled: a name, or a default and `columns` with exceptions."""
    missing: Annotated[str | dict[str, Any], by_column("median")] = "median"
    """What stands for a missing number: a name, or a default and `columns`."""
    missing_indicator: bool = True
    """One more feature for each column that has gaps."""
    categorical: Annotated[str | dict[str, Any], by_column("one_hot")] = "one_hot"
    """How categories become numbers: a name, or a default and `columns`."""
    dates: Annotated[str | dict[str, Any], by_column("days")] = "days"
    """How dates become numbers: a name, or a default and `columns`."""
    target: Named = Component(name="standard")
    """For regression: the scale that is learnt; predictions are in the target's own unit."""
    fit_rows: Annotated[int, Field(ge=1000)] = 1_000_000
    """The most train rows that scales are fitted on."""
    preprocessor: ReusedPreprocessor | None = None

    """A model whose scales are taken, in place of fitting them."""
