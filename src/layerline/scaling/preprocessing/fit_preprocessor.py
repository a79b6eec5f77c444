"""Fitting the preprocessor with scikit-learn, on train rows alone."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.columns.spec import ColumnSpec
from layerline.config import ScaleSection
from layerline.lookup import Choice, pick, read_choices
from layerline.scaling.preprocessing.categories import Category
from layerline.scaling.preprocessing.choices import chosen
from layerline.scaling.preprocessing.dates import DATES, fit_dates
from layerline.scaling.preprocessing.encoders import (
    ENCODERS,
    smooth_of,
    target_columns,
    with_values,
)
from layerline.scaling.preprocessing.numbers import TrainRows, fit_numbers
from layerline.scaling.preprocessing.preprocessor import Images, Preprocessor
from layerline.scaling.preprocessing.scalers import Affine
from layerline.scaling.preprocessing.target_transforms import TARGETS
from layerline.scaling.preprocessing.unfittable import require_known, require_usable
from layerline.tables.targets import TargetColumn

N_FOLDS = 5


def fit_preprocessor(
    rows: TrainRows,
    columns: Sequence[ColumnSpec],
    section: ScaleSection,
    *,
    target: str | tuple[str, ...],
    task: str,
    classes: tuple[Any, ...] | None,
) -> Preprocessor:
    """Fit on train rows of a table; nothing else may be passed in.

    `target` is one, or several.

    Raises:
        DataError: no usable column, free text, or a column without a single train value.
        ParamsError: the section names a column that is not there.
    """
    names = (target,) if isinstance(target, str) else target
    features = [column for column in columns if column.use and column.name not in names]
    require_usable(features)
    require_known(section, features)
    dates = read_choices(section.dates, "days")
    split = {column.name: dates.of(column.name) for column in features if column.kind == "date"}
    numeric = [
        column.name
        for column in features
        if column.kind == "number" or (column.kind == "date" and _is_number(split[column.name]))
    ]
    fitted = Preprocessor(", ".join(names), task, classes)
    if not isinstance(target, str):
        targets = _fit_targets(rows, columns, section, target)
        fitted = dataclasses.replace(fitted, targets=targets)
    elif classes is None:
        y = rows[[target]][target].to_numpy(dtype=np.float64)
        choice = Choice(section.target.name, section.target.options)
        center, scale, curve = chosen(TARGETS, choice, "scale.target")(y)
        fitted = Preprocessor(target, task, None, center, scale, target_curve=curve)
    return dataclasses.replace(
        fitted,
        numbers=fit_numbers(rows, numeric, section) if numeric else None,
        dates=tuple(
            fit_dates(rows[[name]][name], choice, section)
            for name, choice in split.items()
            if not _is_number(choice)
        ),
        categories=_fit_categories(
            rows, [column.name for column in features if column.kind == "category"], section, fitted
        ),
    )


def _fit_targets(
    rows: TrainRows, columns: Sequence[ColumnSpec], section: ScaleSection, names: Sequence[str]
) -> tuple[TargetColumn, ...]:
    """Several targets, each by its own train rows."""
    levels = {column.name: column.levels for column in columns}
    scales = section.target.name != "none"
    return tuple(
        TargetColumn.fitted(rows[[name]][name], levels[name], scales=scales) for name in names
    )


def _is_number(choice: Choice) -> bool:
    return pick(DATES, choice.name, "scale.dates").is_number


def _fit_categories(
    rows: TrainRows, names: Sequence[str], section: ScaleSection, fitted: Preprocessor
) -> tuple[Category, ...]:
    """Codes last: networks with embeddings look for them there."""
    choices = read_choices(section.categorical, "one_hot")
    y = _columns_of(rows, fitted) if _wants_target(names, section) else np.empty((len(rows), 0))
    categories = [
        chosen(ENCODERS, choices.of(name), "scale.categorical")(rows[[name]][name], y)
        for name in names
    ]
    return tuple(sorted(categories, key=lambda category: category.is_code))


def _wants_target(names: Sequence[str], section: ScaleSection) -> bool:
    choices = read_choices(section.categorical, "one_hot")
    return any(
        pick(ENCODERS, choices.of(name).name, "scale.categorical").needs_target for name in names
    )


def _columns_of(rows: TrainRows, fitted: Preprocessor) -> NDArray[np.float64]:
    y = fitted.encode_target(rows[[fitted.target]][fitted.target])
    return target_columns(y, None if fitted.classes is None else len(fitted.classes))


def fit_out_of_fold(
    fitted: Preprocessor, rows: TrainRows, section: ScaleSection, folds: NDArray[np.integer]
) -> tuple[Preprocessor, ...]:
    """The preprocessors that transform train rows by fold, where target means are features.

    A train row's own target must not be in its features: those of fold k come from the rows of
    all other folds. Without target encoding there are none.

    Args:
        fitted: what was fitted on all of `rows`; it transforms valid and test rows.
        rows: the train rows.
        section: as `fitted` was made with.
        folds: (B,) fold of each row, 0 to N_FOLDS - 1; equal rows must share one.
    """
    if not any(category.is_table for category in fitted.categories):
        return ()
    y = _columns_of(rows, fitted)

    def without_each_fold(category: Category) -> list[Category]:
        if not category.is_table:
            return [category] * N_FOLDS
        column, smooth = rows[[category.name]][category.name], smooth_of(section, category.name)
        others = [np.flatnonzero(folds != fold) for fold in range(N_FOLDS)]
        return [with_values(category, column.iloc[kept], y[kept], smooth) for kept in others]

    by_fold = zip(*map(without_each_fold, fitted.categories), strict=True)
    return tuple(dataclasses.replace(fitted, categories=categories) for categories in by_fold)


def fit_images(
    batches: Iterable[Images], *, target: str, task: str, classes: tuple[Any, ...] | None
) -> Preprocessor:
    """Fit each channel's mean and standard deviation on train images (B, H, W) or (B, H, W, C)."""
    counts: Any = 0
    shape: tuple[int, ...] = ()
    for images in batches:
        shape = images.shape[1:]
        pixels = images.reshape(-1, 1 if images.ndim == 3 else images.shape[3])
        counts = counts + np.stack([np.bincount(channel, minlength=256) for channel in pixels.T])
    shares = counts / counts[0].sum()
    center = shares @ np.arange(256.0)
    deviation = np.sqrt(shares @ np.square(np.arange(256.0)) - np.square(center))
    affine = Affine(tuple(center.tolist()), tuple(np.where(deviation > 0, deviation, 1).tolist()))
    return Preprocessor(target, task, classes, image=affine, image_shape=shape)
