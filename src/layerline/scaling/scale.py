"""The scale stage's work: split, fit on train rows alone, write the arrays batch by batch.

Rows are in memory a few bytes each (split and hash); their columns only while they are fitted, at
most `scale.fit_rows` of them, or written. Images are mapped from disk.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.artifacts import Workspace, read_json, read_manifest, replace_folder, write_json
from layerline.columns.spec import ColumnSpec
from layerline.config import ScaleSection
from layerline.lookup import pick, read_options
from layerline.scaling.arrays import split_writers
from layerline.scaling.preprocessing.fit import (
    N_FOLDS,
    fit_images,
    fit_out_of_fold,
    fit_preprocessor,
)
from layerline.scaling.preprocessing.preprocessor import Images, Preprocessor
from layerline.scaling.preprocessing.reuse import reuse_for_images, reuse_for_table
from layerline.scaling.preprocessing.target_transforms import NO_CURVE
from layerline.scaling.splitting import (
    LEFT_OUT,
    SPLIT_NAMES,
    SPLITS,
    TRAIN,
    Labels,
    SplitInput,
    check_splits,
    find_salt,
    hash_images,
    hash_rows,
)
from layerline.scaling.stored_table import Batch, ChosenRows, StoredTable
from layerline.tables.storage import read_images, table_path

IMAGE_BATCH = 4096
SMALL_TABLE = 10_000


@dataclasses.dataclass(frozen=True)
class _Data:
    """data/validated: its rows, its images if it has any, and what its manifest says."""

    table: StoredTable
    images: Images | None
    about: Mapping[str, Any]

    @property
    def columns(self) -> list[ColumnSpec]:
        return [ColumnSpec.from_dict(column) for column in self.about["columns"]]

    @property
    def classes(self) -> tuple[Any, ...] | None:
        return None if self.about["classes"] is None else tuple(self.about["classes"])

    def hash_rows(self) -> NDArray[np.uint64]:
        """(B,) hashes of the used columns, or of the pixels."""
        if self.images is not None:
            return hash_images(self.images)
        target = self.about["target"]
        features = [c.name for c in self.columns if c.use and c.name != target]
        hashes = np.empty(len(self.table), dtype=np.uint64)
        for start, rows in self.table.batches(features):
            hashes[start : start + len(rows)] = hash_rows(rows[features])
        return hashes


def scale(
    workspace: Workspace, section: ScaleSection, *, seed: int, reused: Path | None = None
) -> dict[str, Any]:
    """Write data/scaled and models/preprocessor; return the manifest of data/scaled.

    `reused` is the preprocessor.json of scale.preprocessor.

    Raises:
        DataError: a split that cannot be made, a column that cannot be scaled.
        SourceError: data/validated is missing or damaged.
    """
    about = read_manifest(workspace.validated)
    images = read_images(workspace.validated) if about["kind"] == "images" else None
    data = _Data(StoredTable(table_path(workspace.validated)), images, about)
    hashes = data.hash_rows()
    labels, n_rows = _split(data, hashes, section, seed)
    chosen = _choose_train(labels, section.fit_rows, seed)
    fitted = _fit(data, chosen, hashes, section)
    if reused is not None:
        source = Preprocessor.from_json(read_json(reused))
        fitted = (_reuse(source, data, chosen, section, fitted[0]),)
    description = {
        **{
            key: about[key] for key in ("kind", "source", "raw_sha256", "target", "task", "classes")
        },
        **fitted[0].describe(),
        "n_rows": n_rows,
        "n_fitted": len(chosen),
        "n_left_out": int((labels == LEFT_OUT).sum()),
    }
    with replace_folder(workspace.preprocessor, {}) as folder:
        write_json(folder / "preprocessor.json", fitted[0].to_json())
    with (
        replace_folder(workspace.scaled, description) as folder,
        split_writers(folder, n_rows) as writers,
    ):
        for positions, arrays in _transform(data, labels, hashes, fitted):
            split = writers[labels[positions[0]]]
            split.write({**arrays, "row": positions, "id": hashes[positions]})
    return description


def _split(
    data: _Data, hashes: NDArray[np.uint64], section: ScaleSection, seed: int
) -> tuple[Labels, dict[str, int]]:
    target, is_classification = data.about["target"], data.about["task"] != "regression"
    rows = SplitInput(
        columns=data.table,
        names=data.table.names,
        row_hashes=hashes,
        target=target,
        official=data.about["split_column"],
        is_classification=is_classification,
        seed=seed,
    )
    method = pick(SPLITS, section.split.name, "scale.split.method")
    options = read_options(method, section.split.options, "scale.split")
    labels = method(rows, **options)
    classes = rows.column(target) if is_classification else None
    remedy = _other_salt(hashes, options, classes) if _is_by_content(section) else ""
    return labels, check_splits(labels, classes, remedy)


def _is_by_content(section: ScaleSection) -> bool:
    return section.split.name == "hash" and "keys" not in section.split.options


def _other_salt(
    hashes: NDArray[np.uint64], options: Mapping[str, Any], classes: pd.Series | None
) -> str:
    """What to tell the user of a small table whose hashes fell badly."""
    if len(hashes) > SMALL_TABLE:
        return ""
    salt = find_salt(hashes, classes, options["valid"], options["test"])
    return "" if not salt else f"set `salt: {salt}` in scale.split, which deals the rows better"


def _choose_train(labels: Labels, fit_rows: int, seed: int) -> NDArray[np.intp]:
    """Positions of the train rows that are fitted on, rising: all, or so many drawn by the seed."""
    train = np.flatnonzero(labels == TRAIN)
    if len(train) <= fit_rows:
        return train
    drawn = np.random.default_rng(seed).choice(len(train), fit_rows, replace=False, shuffle=False)
    return train[np.sort(drawn)]


def _fit(
    data: _Data, chosen: NDArray[np.intp], hashes: NDArray[np.uint64], section: ScaleSection
) -> tuple[Preprocessor, ...]:
    """What transforms all rows; then, where target means are features, what train rows get."""
    target, task, classes = data.about["target"], data.about["task"], data.classes
    if data.images is not None:
        images = data.images
        batches = (images[chosen[at]] for at in _slices(len(chosen), IMAGE_BATCH))
        return (fit_images(batches, target=target, task=task, classes=classes),)
    rows = ChosenRows(data.table, chosen)
    names = _only_for_the_split(section)
    columns = [column for column in data.columns if column.name not in names]
    fitted = fit_preprocessor(rows, columns, section, target=target, task=task, classes=classes)
    folds = (hashes[chosen] % N_FOLDS).astype(np.int8)
    return (fitted, *fit_out_of_fold(fitted, rows, section, folds))


def _reuse(
    source: Preprocessor,
    data: _Data,
    chosen: NDArray[np.intp],
    section: ScaleSection,
    fitted: Preprocessor,
) -> Preprocessor:
    if data.images is not None:
        return reuse_for_images(source, fitted)
    assert section.preprocessor is not None
    names = _only_for_the_split(section)
    columns = [column for column in data.columns if column.name not in names]
    rows = ChosenRows(data.table, chosen)
    return reuse_for_table(source, section.preprocessor.columns, rows, columns, section, fitted)


def _only_for_the_split(section: ScaleSection) -> Sequence[str]:
    """The columns that say the split: not learnt from, whatever the schema says."""
    if section.split.name not in ("column", "group"):
        return ()
    column = section.split.options["column"]
    return [column] if isinstance(column, str) else column


def _slices(n_rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def _batches(data: _Data, fitted: Preprocessor) -> Iterator[Batch]:
    if data.images is None:
        yield from data.table.batches([*fitted.input_columns, fitted.target])
        return
    targets = data.table[[fitted.target]]
    for part in _slices(len(targets), IMAGE_BATCH):
        yield Batch(part.start, targets[part])


def _transform(
    data: _Data,
    labels: Labels,
    hashes: NDArray[np.uint64],
    fitted: tuple[Preprocessor, ...],
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
    """Rows of one split at a time, in the table's order: their positions and their arrays.

    x, y: what the network learns from; actual: targets that `y` may not give back exactly. What is
    written beside them: row, the position in data/validated; id, the hash of the row's content, by
    which it is known again in other versions of the data.
    """
    everything, *by_fold = fitted
    for start, rows in _batches(data, everything):
        split = labels[start : start + len(rows)]
        for code in range(len(SPLIT_NAMES)):
            inside = np.flatnonzero(split == code)
            if not len(inside):
                continue
            positions = inside + start
            part = rows.iloc[inside]
            target = part[everything.target]
            arrays: dict[str, NDArray[Any]] = {"y": everything.encode_target(target)}
            if data.images is not None:
                arrays["x"] = everything.transform_images(data.images[positions])
            elif by_fold and code == TRAIN:
                arrays["x"] = _by_fold(by_fold, part, hashes[positions] % N_FOLDS)
            else:
                arrays["x"] = everything.transform(part)
            if everything.target_curve != NO_CURVE:
                arrays["actual"] = target.to_numpy(dtype=np.float64)
            yield positions, arrays


def _by_fold(
    fitted: Sequence[Preprocessor], rows: pd.DataFrame, folds: NDArray[np.uint64]
) -> NDArray[np.float32]:
    """Train rows, each by what was fitted without its fold."""
    x = np.empty((len(rows), len(fitted[0].features)), dtype=np.float32)
    for fold, preprocessor in enumerate(fitted):
        inside = np.flatnonzero(folds == fold)
        x[inside] = preprocessor.transform(rows.iloc[inside])
    return x
