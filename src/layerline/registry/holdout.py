"""The raw test rows of a pipeline, their true values, and predictions joined with these."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.artifacts import Workspace, read_manifest
from layerline.columns.spec import ColumnSpec
from layerline.config import ScaleSection
from layerline.errors import DataError
from layerline.evaluation.observations import observation_groups
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.target_predictions import join_targets
from layerline.model.bundle import Rows
from layerline.model.target_profile import TargetProfile
from layerline.tables.storage import read_images, read_table
from layerline.tables.targets import TargetColumn, read_targets, target_names


@dataclasses.dataclass(frozen=True)
class Holdout:
    """B raw rows as a user would send them, and their true values.

    `frame` holds every column, the target too; of images only the columns beside the pixels.
    `actual` is (B,) class index, or the target in the user's unit, of which `target_scale` is about
    one standardised unit. Rows of equal `groups` (B,) are copies, or belong together: they count
    as one observation, and `weights` (B,) are what each row counts; `costs` (K, K) are those of the
    decision that is to be registered. `target_profile` is that of all rows, train rows too.
    Of several `targets` `actual` is (B, T), and there is no profile.
    """

    rows: Rows
    frame: pd.DataFrame
    actual: NDArray[Any]
    target_scale: float
    classes: tuple[Any, ...] | None
    columns: tuple[ColumnSpec, ...]
    task: str
    groups: NDArray[Any] | None = None
    weights: NDArray[np.float64] | None = None
    costs: NDArray[np.float64] | None = None
    target_profile: TargetProfile | None = None
    targets: tuple[TargetColumn, ...] = ()


def read_holdout(workspace: Workspace, section: ScaleSection | None = None) -> Holdout:
    """Read the test rows from data/validated and data/scaled, whose bytes are checked.

    `section` is scale, whose split says which rows belong together.

    Raises:
        SourceError: an artifact is missing or damaged.
    """
    validated, scaled = read_manifest(workspace.validated), read_manifest(workspace.scaled)
    position = np.load(workspace.scaled / "test_row.npy", allow_pickle=False)
    target, targets = validated["target"], read_targets(scaled.get("targets"))
    table = read_table(workspace.validated)
    labels = table.iloc[position].reset_index(drop=True)
    rows: Rows = labels.drop(columns=list(target_names(validated)))
    if validated["kind"] == "images":
        rows = np.asarray(read_images(workspace.validated)[position])
    classes = None if scaled["classes"] is None else tuple(scaled["classes"])
    if targets:
        actual = np.stack([target.truths(labels[target.name]) for target in targets], axis=1)
    elif classes is None:
        actual = labels[target].to_numpy(dtype=np.float64)
    else:
        actual = np.load(workspace.scaled / "test_y.npy", allow_pickle=False)
    unit = scaled["target_scale"]
    if scaled.get("target_curve"):  # then that scale is of the logarithms, or of the ranks
        unit = float(actual.std()) or 1.0
    columns = tuple(ColumnSpec.from_dict(column) for column in validated["columns"])
    ids = np.load(workspace.scaled / "test_id.npy", allow_pickle=False)
    weights = workspace.scaled / "test_weight.npy"
    return Holdout(
        rows=rows,
        frame=labels,
        actual=actual,
        target_scale=unit,
        classes=classes,
        columns=columns,
        task=scaled["task"],
        groups=observation_groups(ids, labels, section or ScaleSection()),
        weights=np.load(weights, allow_pickle=False) if weights.is_file() else None,
        target_profile=None if targets else TargetProfile.of(table[target], classes),
        targets=targets,
    )


def with_truth(table: pd.DataFrame, test: Holdout) -> Predictions:
    """A model's predictions in terms of the current classes, with the true values.

    Raises:
        DataError: as `join_truth`.
    """
    if test.targets:
        joined = join_targets(table, test.actual, test.targets)
    else:
        joined = join_truth(table, test.actual, test.classes)
    return dataclasses.replace(joined, groups=test.groups, weights=test.weights, costs=test.costs)


def join_truth(
    table: pd.DataFrame, actual: NDArray[Any], classes: tuple[Any, ...] | None
) -> Predictions:
    """A model's predictions in terms of these classes, with the true values.

    A class that the model does not know has probability 0 in all its predictions.

    Raises:
        DataError: the model predicts another kind of target.
    """
    names = [str(name) for name in table.columns[1:]]
    if "prediction" not in table:
        raise DataError("it predicts several targets, now there is one")
    if classes is None:
        is_number = pd.api.types.is_numeric_dtype(table["prediction"])
        if not is_number or any(name.startswith("probability_") for name in names):
            raise DataError("it predicts classes, the target is now a number")
        return Predictions(actual, table["prediction"].to_numpy(dtype=np.float64))
    current = [f"probability_{label}" for label in classes]
    if not set(names) & set(current):
        raise DataError("it knows none of the target's current classes")
    probabilities = np.zeros((len(table), len(current)))
    for k, name in enumerate(current):
        if name in names:
            probabilities[:, k] = table[name].to_numpy(dtype=np.float64)
    index: Mapping[str, int] = {str(label): k for k, label in enumerate(classes)}
    predicted = table["prediction"].astype(object).map(lambda label: index.get(str(label), -1))
    return Predictions(actual, predicted.to_numpy(dtype=np.int64), probabilities)
