"""The scale stage's work: split, fit on train rows alone, write the arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.artifacts import Workspace, read_manifest, replace_folder, write_json
from layerline.config import ScaleSection
from layerline.data.preprocessing.fitting import (
    N_FOLDS,
    fit_images,
    fit_out_of_fold,
    fit_preprocessor,
)
from layerline.data.preprocessing.preprocessor import Preprocessor
from layerline.data.preprocessing.targets import NO_CURVE
from layerline.data.schema.columns import ColumnSpec
from layerline.data.splitting import SPLIT_NAMES, SPLITS, Labels, SplitInput, check_splits
from layerline.data.tables import read_images, read_table
from layerline.lookup import pick, read_options


def scale(workspace: Workspace, section: ScaleSection, *, seed: int) -> dict[str, Any]:
    """Write data/scaled and models/preprocessor; return the manifest of data/scaled.

    Raises:
        DataError: a split that cannot be made, a column that cannot be scaled.
        SourceError: data/validated is missing or damaged.
    """
    about = read_manifest(workspace.validated)
    images: NDArray[np.uint8] | None = None
    frame = read_table(workspace.validated)
    if about["kind"] == "images":
        images = read_images(workspace.validated)
    rows = _split_input(frame, images, about, seed)
    labels = _split(rows, section)
    train = labels == "train"
    out_of_fold: tuple[Preprocessor, ...] = ()
    if images is None:
        preprocessor = _fit_table(frame[train], about, section)
        folds = (rows.row_hashes[train] % N_FOLDS).astype(np.int64)
        out_of_fold = fit_out_of_fold(preprocessor, frame[train], section, folds)
        shape, features = [len(preprocessor.features)], preprocessor.features
    else:
        preprocessor = fit_images(
            [images[train]], target=about["target"], task=about["task"], classes=_classes(about)
        )
        channels = 1 if images.ndim == 3 else images.shape[3]
        shape, features = [channels, *images.shape[1:3]], None
    description = {
        **{
            key: about[key] for key in ("kind", "source", "raw_sha256", "target", "task", "classes")
        },
        "shape": shape,
        "features": features,
        "target_center": preprocessor.target_center,
        "target_scale": preprocessor.target_scale,
        "target_curve": preprocessor.to_json()["target_curve"],
        "category_sizes": list(preprocessor.category_sizes),
        "n_rows": check_splits(labels, None),
    }
    with replace_folder(workspace.preprocessor, {}) as folder:
        write_json(folder / "preprocessor.json", preprocessor.to_json())
    with replace_folder(workspace.scaled, description) as folder:
        for name in SPLIT_NAMES:
            _write_split(
                folder, name, np.flatnonzero(labels == name), rows, preprocessor, out_of_fold
            )
    return description


def _classes(about: Mapping[str, Any]) -> tuple[Any, ...] | None:
    return None if about["classes"] is None else tuple(about["classes"])


def _split_input(
    frame: pd.DataFrame, images: NDArray[np.uint8] | None, about: Mapping[str, Any], seed: int
) -> SplitInput:
    classified = about["task"] != "regression"
    columns = (ColumnSpec.from_dict(column) for column in about["columns"])
    features = tuple(c.name for c in columns if c.use and c.name != about["target"])
    return SplitInput(
        frame, features, images, about["target"], about["split_column"], classified, seed
    )


def _split(rows: SplitInput, section: ScaleSection) -> Labels:
    method = pick(SPLITS, section.split.name, "scale.split.method")
    labels = method(rows, **read_options(method, section.split.options, "scale.split"))
    check_splits(labels, rows.frame[rows.target].to_numpy() if rows.is_classification else None)
    return labels


def _fit_table(
    train: pd.DataFrame, about: Mapping[str, Any], section: ScaleSection
) -> Preprocessor:
    columns = [ColumnSpec.from_dict(column) for column in about["columns"]]
    # The column that says the split must not be learnt from, whatever the schema says.
    by_column = section.split.options.get("column")
    columns = [column for column in columns if column.name != by_column]
    return fit_preprocessor(
        train,
        columns,
        section,
        target=about["target"],
        task=about["task"],
        classes=_classes(about),
    )


def _write_split(
    folder: Path,
    name: str,
    positions: NDArray[np.intp],
    rows: SplitInput,
    preprocessor: Preprocessor,
    out_of_fold: tuple[Preprocessor, ...],
) -> None:
    """Write `name`'s arrays, row by row in the table's order.

    x, y: what the network learns from; row: the row's position in data/validated; id: the hash of
    its content, by which it is known again in other versions of the data.
    """
    frame = rows.frame.iloc[positions]
    if rows.images is None:
        x = preprocessor.transform(frame)
    else:
        x = preprocessor.transform_images(rows.images[positions])
    if name == "train" and out_of_fold:
        folds = rows.row_hashes[positions] % N_FOLDS
        for fold, other in enumerate(out_of_fold):
            x[folds == fold] = other.transform(frame[folds == fold])
    arrays: dict[str, NDArray[Any]] = {
        "x": x,
        "y": preprocessor.encode_target(frame[preprocessor.target]),
        "row": positions.astype(np.int64),
        "id": rows.row_hashes[positions],
    }
    if preprocessor.target_curve != NO_CURVE:
        arrays["actual"] = frame[preprocessor.target].to_numpy(dtype=np.float64)
    for kind, array in arrays.items():
        np.save(folder / f"{name}_{kind}.npy", array, allow_pickle=False)
