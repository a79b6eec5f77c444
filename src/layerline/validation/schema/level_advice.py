"""What the user should know about the values of a target, and about levels that look alike."""

import unicodedata
from collections.abc import Iterator

import pandas as pd

from layerline.columns.spec import Level
from layerline.config.data_sections import ValidateSection
from layerline.text import listing, plural
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.raw_columns import Columns

_FEWEST = ValidateSection().min_class_rows


def target_advice(target: pd.Series, name: str, classes: tuple[Level, ...] | None) -> Iterator[str]:
    """Rows that validate will refuse: without a target, or of a class with too few of them."""
    n_missing = int(target.isna().sum())
    if n_missing:
        yield (
            f"target {name!r} has {plural(n_missing, 'missing value')}: `dvc repro` ends "
            "at such rows; validate.on_bad_rows: quarantine sets them aside"
        )
    if classes is None:
        return
    if isinstance(target.dtype, pd.StringDtype):
        target = target.str.strip()
    counts = target.value_counts()
    rare = [f"{level!r}" for level in classes if counts.get(level, 0) < _FEWEST]
    if rare:
        yield (
            f"target {name!r} has classes of fewer than {_FEWEST} rows "
            f"({listing(rare, 3)}), at which `dvc repro` ends: add rows, merge or drop "
            "them, or set validate.min_class_rows"
        )


def look_alikes(frame: Columns, schema: TableSchema) -> Iterator[str]:
    """Levels that a person would take for one: Berlin and berlin, é in two forms of Unicode."""
    for column in schema.columns:
        if column.kind != "category" or column.name not in frame:
            continue
        alike: dict[str, list[str]] = {}
        for level in column.levels or ():
            if isinstance(level, str):
                alike.setdefault(_folded(level), []).append(repr(level))
        doubtful = [" and ".join(levels) for levels in alike.values() if len(levels) > 1]
        if doubtful:
            yield (
                f"column {column.name!r} has levels that differ only in case, blanks or the form "
                f"of their letters ({listing(doubtful, 3)}); they are learnt as different ones "
                "unless they are written in one way at the source"
            )


def _folded(level: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", level).casefold().split())
