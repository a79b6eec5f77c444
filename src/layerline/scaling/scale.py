"""The scale stage's work: split, fit on train rows alone, write the arrays batch by batch.

Rows are in memory a few bytes each (split and hash); their columns only while they are fitted, at
most `scale.fit_rows` of them, or written. Images are mapped from disk.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.artifacts import Workspace, read_json_as, replace_folder, write_json
from layerline.config import ScaleSection
from layerline.lookup import pick, read_options
from layerline.scaling.array_writer import split_writers
from layerline.scaling.preprocessing.fit_preprocessor import (
    N_FOLDS,
    fit_images,
    fit_out_of_fold,
    fit_preprocessor,
)
from layerline.scaling.preprocessing.preprocessor import Images, Preprocessor
from layerline.scaling.preprocessing.reuse import reuse_for_images, reuse_for_table
from layerline.scaling.preprocessing.target_transforms import NO_CURVE
from layerline.scaling.split_rows import split_rows
from layerline.scaling.splitting import (
    LEFT_OUT,
    SPLIT_NAMES,
    SPLITS,
    TRAIN,
    Labels,
)
from layerline.scaling.stored_table import ChosenRows
from layerline.scaling.validated_data import IMAGE_BATCH, ValidatedData, read_validated, slices

_FROM_VALIDATED = ("kind", "source", "raw_sha256", "target", "task", "classes", "target_names")


def scale(
    workspace: Workspace,
    section: ScaleSection,
    *,
    seed: int,
    reused: Path | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Write data/scaled and models/preprocessor; return the manifest of data/scaled.

    `reused` is the preprocessor.json of scale.preprocessor; `report` passes notes to the user.

    Raises:
        DataError: a split that cannot be made, a column that cannot be scaled.
        SourceError: data/validated is missing or damaged.
    """
    split = pick(SPLITS, section.split.name, "scale.split.method")
    options = read_options(split.build, section.split.options, "scale.split")
    data = read_validated(workspace, split.key_columns(options))
    dealt = split_rows(data, split, options, seed, section.window)
    labels, hashes = dealt.labels, dealt.ids
    for note in dealt.notes:
        report(f"note: {note}")
    chosen = _choose_train(labels, section.fit_rows, seed)
    fitted = _fit(data, chosen, hashes, section)
    if reused is not None:
        source = read_json_as(reused, Preprocessor.from_json)
        fitted = (_reuse(source, data, chosen, section, fitted[0]),)
    description = {
        **{key: data.about[key] for key in _FROM_VALIDATED if key in data.about},
        **fitted[0].describe(),
        "n_rows": dict(dealt.n_rows),
        "n_fitted": len(chosen),
        "n_left_out": int((labels == LEFT_OUT).sum()),
        **({"time_gap": options["gap"]} if "time" in dealt.traits else {}),
    }
    with replace_folder(workspace.preprocessor, {}) as folder:
        write_json(folder / "preprocessor.json", fitted[0].to_json())
    with (
        replace_folder(workspace.scaled, description) as folder,
        split_writers(folder, dealt.n_rows) as writers,
    ):
        if (labels == LEFT_OUT).any():  # else `retrain` would take them for new
            np.save(folder / "left_out_id.npy", hashes[labels == LEFT_OUT])
        for positions, arrays in _transform(data, labels, hashes, fitted):
            writer = writers[labels[positions[0]]]
            traits = {name: values[positions] for name, values in dealt.traits.items()}
            writer.write({**arrays, "row": positions, "id": hashes[positions], **traits})
    return description


def _choose_train(labels: Labels, fit_rows: int, seed: int) -> NDArray[np.intp]:
    """Ascending positions of the train rows to fit on: all, or `fit_rows` drawn by the seed."""
    train = np.flatnonzero(labels == TRAIN)
    if len(train) <= fit_rows:
        return train
    drawn = np.random.default_rng(seed).choice(len(train), fit_rows, replace=False, shuffle=False)
    return train[np.sort(drawn)]


def _fit(
    data: ValidatedData,
    chosen: NDArray[np.intp],
    hashes: NDArray[np.uint64],
    section: ScaleSection,
) -> tuple[Preprocessor, ...]:
    """What transforms all rows; then, where target means are features, what train rows get."""
    target, task, classes = data.target, data.about["task"], data.classes
    if data.images is not None:
        images = data.images
        batches = (images[chosen[at]] for at in slices(len(chosen), IMAGE_BATCH))
        return (fit_images(batches, target=target, task=task, classes=classes),)
    rows = ChosenRows(data.table, chosen)
    names = data.targets if len(data.targets) > 1 else target
    fitted = fit_preprocessor(rows, data.columns, section, target=names, task=task, classes=classes)
    folds = (hashes[chosen] % N_FOLDS).astype(np.int8)
    return (fitted, *fit_out_of_fold(fitted, rows, section, folds))


def _reuse(
    source: Preprocessor,
    data: ValidatedData,
    chosen: NDArray[np.intp],
    section: ScaleSection,
    fitted: Preprocessor,
) -> Preprocessor:
    if data.images is not None:
        return reuse_for_images(source, fitted)
    assert section.preprocessor is not None
    rows = ChosenRows(data.table, chosen)
    names = section.preprocessor.columns
    return reuse_for_table(source, names, rows, data.columns, section, fitted)


def _transform(
    data: ValidatedData,
    labels: Labels,
    hashes: NDArray[np.uint64],
    fitted: tuple[Preprocessor, ...],
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
    """Rows of one split at a time, in the table's order: their positions and their arrays.

    x, y: what the network learns from; actual: targets that `y` may not give back exactly. The
    caller writes next to them: row, the position in data/validated; id, the hash of the row's
    content, which identifies it in other versions of the data; group or time, where the split is by
    one of them; weight, where rows have one.
    """
    images = () if data.images is None else (data.images,)
    names = list(data.targets) if images else [*fitted[0].input_columns, *data.targets]
    for start, parts in data.map(_Transform(fitted), names, labels, hashes, *images):
        for inside, arrays in parts:
            yield inside + start, arrays


class _Transform:
    """Transforms some rows, split by split; a class, so that it can be sent to other machines."""

    def __init__(self, fitted: tuple[Preprocessor, ...]) -> None:
        self._everything, *self._by_fold = fitted

    def __call__(
        self,
        rows: pd.DataFrame,
        labels: Labels,
        hashes: NDArray[np.uint64],
        images: Images | None = None,
    ) -> list[tuple[NDArray[np.int64], dict[str, NDArray[Any]]]]:
        used = np.flatnonzero(labels != LEFT_OUT)
        if len(used) < len(labels):
            rows, labels, hashes = rows.iloc[used], labels[used], hashes[used]
            images = None if images is None else images[used]
        arrays = self._arrays(rows, labels, hashes, images)
        split = [np.flatnonzero(labels == code) for code in range(len(SPLIT_NAMES))]
        return [
            (used[inside], {name: values[inside] for name, values in arrays.items()})
            for inside in split
            if len(inside)
        ]

    def _arrays(
        self, rows: pd.DataFrame, labels: Labels, hashes: NDArray[np.uint64], images: Images | None
    ) -> dict[str, NDArray[Any]]:
        everything = self._everything
        arrays: dict[str, NDArray[Any]] = {"y": everything.encode_targets(rows)}
        if everything.target_curve != NO_CURVE:
            arrays["actual"] = rows[everything.target].to_numpy(dtype=np.float64)
        if images is not None:
            arrays["x"] = everything.transform_images(images)
            return arrays
        arrays["x"] = everything.transform(rows)
        for fold, preprocessor in enumerate(self._by_fold):  # fitted without the rows of the fold
            inside = np.flatnonzero((labels == TRAIN) & (hashes % N_FOLDS == fold))
            arrays["x"][inside] = preprocessor.transform(rows.iloc[inside])
        return arrays
