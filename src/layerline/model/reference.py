"""What the training rows of a model looked like, for drift checks; a version carries it.

`reference.json` holds a sketch of each column that the model reads, of the target, and of the
model's predictions of the test rows. Of images it sketches the brightness and the contrast.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerline.artifacts import Workspace, read_json_as, write_json
from layerline.columns.spec import ColumnSpec
from layerline.model.column_sketch import ColumnSketch, sketch
from layerline.scaling.stored_table import ChosenRows
from layerline.scaling.validated_data import IMAGE_BATCH, ValidatedData, read_validated

REFERENCE = "reference.json"
MOST_ROWS = 200_000


@dataclasses.dataclass(frozen=True)
class Reference:
    """Sketches of a model's training rows.

    Attributes:
        columns: of what the model reads, by name.
        target: of the training rows' target; None of several, as is what follows.
        target_spec: how the target is read.
        prediction: of what the model predicts for the test rows, which it has not learnt from.
    """

    columns: Mapping[str, ColumnSketch]
    target: ColumnSketch | None
    target_spec: ColumnSpec | None
    prediction: ColumnSketch | None


def describe_training(
    workspace: Workspace, specs: Sequence[ColumnSpec], predicted: pd.DataFrame
) -> Reference:
    """Sketch the training rows, or MOST_ROWS of them evenly spaced, one column at a time.

    Args:
        workspace: of the training.
        specs: of the columns that the model reads; none for images.
        predicted: the model's predictions of the test rows.
    """
    data = read_validated(workspace)
    positions = np.sort(np.load(workspace.scaled / "train_row.npy", allow_pickle=False))
    n_rows = min(len(positions), MOST_ROWS)
    positions = positions[np.linspace(0, len(positions) - 1, n_rows).astype(np.intp)]
    rows = ChosenRows(data.table, positions)
    columns = {spec.name: _sketch(rows, spec) for spec in specs if spec.kind != "text"}
    if len(data.targets) > 1:
        return Reference(columns, None, None, None)
    is_class = data.classes is not None
    target = next(spec for spec in data.columns if spec.name == data.target)
    return Reference(
        columns=_of_images(data, positions) if data.images is not None else columns,
        target=sketch(rows[[data.target]][data.target], is_level=is_class),
        target_spec=target,
        prediction=sketch(predicted["prediction"], is_level=is_class),
    )


def _sketch(rows: ChosenRows, spec: ColumnSpec) -> ColumnSketch:
    return sketch(rows[[spec.name]][spec.name], is_level=spec.kind == "category")


def _of_images(data: ValidatedData, positions: Any) -> dict[str, ColumnSketch]:
    assert data.images is not None
    starts = range(0, len(positions), IMAGE_BATCH)
    pieces = (data.images[positions[at : at + IMAGE_BATCH]] for at in starts)
    looks = pd.concat([image_looks(np.asarray(piece)) for piece in pieces])
    return {str(name): sketch(looks[name], is_level=False) for name in looks}


def image_looks(images: Any) -> pd.DataFrame:
    """The brightness and the contrast of each image (N, H, W[, C])."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    return pd.DataFrame({"brightness": flat.mean(axis=1), "contrast": flat.std(axis=1)})


def write_reference(bundle: Path, reference: Reference) -> None:
    """Write it into a bundle."""
    spec = None if reference.target_spec is None else reference.target_spec.to_dict()
    write_json(bundle / REFERENCE, {**dataclasses.asdict(reference), "target_spec": spec})


def read_reference(bundle: Path) -> Reference | None:
    """Read it; None where there is none, as in versions of earlier releases.

    Raises:
        SourceError: it is damaged.
    """
    path = bundle / REFERENCE
    return read_json_as(path, _from_json) if path.is_file() else None


def _from_json(state: Mapping[str, Any]) -> Reference:
    read, columns = ColumnSketch.from_json, state["columns"].items()
    if state["target"] is None:
        return Reference({name: read(column) for name, column in columns}, None, None, None)
    return Reference(
        columns={name: read(column) for name, column in columns},
        target=read(state["target"]),
        target_spec=ColumnSpec.from_dict(state["target_spec"]),
        prediction=read(state["prediction"]),
    )
