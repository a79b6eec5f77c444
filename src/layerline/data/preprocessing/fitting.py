"""Fitting the preprocessor with scikit-learn, on train rows alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from layerline.config import ScaleSection
from layerline.data.preprocessing.preprocessor import (
    MISSING,
    Category,
    Images,
    Numbers,
    Preprocessor,
    to_numbers,
)
from layerline.data.preprocessing.scalers import SCALERS, Affine
from layerline.data.schema.columns import ColumnSpec
from layerline.errors import DataError
from layerline.lookup import pick


def fit_preprocessor(
    frame: pd.DataFrame,
    columns: Sequence[ColumnSpec],
    section: ScaleSection,
    *,
    target: str,
    task: str,
    classes: tuple[Any, ...] | None,
) -> Preprocessor:
    """Fit on train rows of a table; nothing else may be passed in.

    Raises:
        DataError: no usable column, or a column without a single train value.
    """
    features = [column for column in columns if column.use and column.name != target]
    numeric = [column.name for column in features if column.kind in ("number", "date")]
    categorical = [column.name for column in features if column.kind == "category"]
    if not features:
        raise DataError("the schema leaves no column to learn from; set `use: true` on some")
    center, scale = _fit_target(frame[target], section) if task == "regression" else (0.0, 1.0)
    return Preprocessor(
        target=target,
        task=task,
        classes=classes,
        target_center=center,
        target_scale=scale,
        numbers=_fit_numbers(frame, numeric, section) if numeric else None,
        categories=tuple(_fit_category(frame[name]) for name in categorical),
    )


def _fit_numbers(frame: pd.DataFrame, names: list[str], section: ScaleSection) -> Numbers:
    from sklearn.impute import SimpleImputer

    values = to_numbers(frame, names)
    gaps = np.isnan(values)
    empty = np.flatnonzero(gaps.all(axis=0))
    if len(empty):
        raise DataError(
            f"column {names[empty[0]]!r} has no value in any train row; "
            "set `use: false` for it in the schema"
        )
    strategy = "constant" if section.missing == "zero" else section.missing
    imputer = SimpleImputer(strategy=strategy, fill_value=0.0 if strategy == "constant" else None)
    filled = imputer.fit_transform(values)
    marked = np.flatnonzero(gaps.any(axis=0) & section.missing_indicator)
    return Numbers(
        names=tuple(names),
        fill=tuple(map(float, imputer.statistics_)),
        affine=pick(SCALERS, section.numeric, "scale.numeric")(filled),
        indicators=tuple(names[index] for index in marked),
    )


def _fit_category(column: pd.Series) -> Category:
    levels = sorted(column.dropna().unique().tolist(), key=lambda level: (str(type(level)), level))
    return Category(str(column.name), (*levels, *([MISSING] if column.isna().any() else [])))


def _fit_target(target: pd.Series, section: ScaleSection) -> tuple[float, float]:
    if section.target == "none":
        return 0.0, 1.0
    values = target.to_numpy(dtype=np.float64)
    return float(values.mean()), float(values.std()) or 1.0


def fit_images(
    images: Images, *, target: str, task: str, classes: tuple[Any, ...] | None
) -> Preprocessor:
    """Fit each channel's mean and standard deviation on train images."""
    pixels = images[..., None] if images.ndim == 3 else images
    counts = [np.bincount(pixels[..., c].ravel(), minlength=256) for c in range(pixels.shape[-1])]
    shares = np.stack(counts) / counts[0].sum()
    center = shares @ np.arange(256.0)
    deviation = np.sqrt(shares @ np.square(np.arange(256.0)) - np.square(center))
    affine = Affine(tuple(center.tolist()), tuple(np.where(deviation > 0, deviation, 1).tolist()))
    return Preprocessor(target, task, classes, image=affine, image_shape=images.shape[1:])
