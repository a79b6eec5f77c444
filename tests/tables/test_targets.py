"""Several targets: what they are together, and the way to the network and back."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerline.errors import DataError
from layerline.evaluation.target_predictions import decide_targets, true_targets
from layerline.tables.targets import (
    TargetColumn,
    encode_targets,
    read_targets,
    write_targets,
)
from layerline.tables.task import resolve_tasks
from layerline.training.objectives.links import IDENTITY, LOGISTIC

FRAME = pd.DataFrame(
    {
        "price": [1e5, 2e5, 4e5, 3e5] * 3,
        "rent": [0.5, 1.5, 2.5, 3.5] * 3,
        "sold": [0, 1, 1, 0] * 3,
        "heated": ["yes", "no", "no", "yes"] * 3,
        "kind": ["a", "b", "c", "a"] * 3,
    }
)


@pytest.mark.parametrize(
    ("names", "asked", "task"),
    [
        (("price", "rent"), "multi_regression", "multi_regression"),
        (("sold", "heated"), "auto", "multilabel"),
        (("sold", "heated"), "multilabel", "multilabel"),
        (("rent", "sold"), "multi_regression", "multi_regression"),
        (("rent",), "auto", "regression"),
        (("kind",), "auto", "multiclass"),
    ],
)
def test_the_task_of_targets_together(names: tuple[str, ...], asked: Any, task: str) -> None:
    found, reason = resolve_tasks(FRAME.__getitem__, names, asked)
    assert found == task
    assert all(repr(name) in reason for name in names)


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        (("rent", "sold"), "auto", "'rent' is regression, 'sold' is binary; train a model for"),
        (("heated", "kind"), "auto", "'kind' is multiclass"),
        (("kind", "heated"), "multilabel", "needs exactly two classes, but target 'kind'"),
        (("rent", "heated"), "multi_regression", "needs numbers, but target 'heated'"),
        (("rent",), "multi_regression", "is of several targets, and fetch.target names one"),
    ],
)
def test_targets_that_do_not_go_together(names: Any, asked: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        resolve_tasks(FRAME.__getitem__, names, asked)


def test_numbers_come_back_in_their_own_units() -> None:
    targets = [TargetColumn.fitted(FRAME[name], None, scales=True) for name in ("price", "rent")]
    assert targets[0].center == pytest.approx(2.5e5)
    assert targets[1].scale == pytest.approx(FRAME["rent"].std(ddof=0))
    y = encode_targets(FRAME, targets)
    assert y.dtype == np.float32
    assert y.std(axis=0) == pytest.approx([1, 1])
    assert true_targets(y, targets) == pytest.approx(FRAME[["price", "rent"]].to_numpy())
    assert decide_targets(y, IDENTITY, targets).predicted == pytest.approx(
        FRAME[["price", "rent"]].to_numpy()
    )
    assert read_targets(json.loads(json.dumps(write_targets(targets)))) == tuple(targets)


def test_the_second_level_of_a_label_is_one() -> None:
    targets = [
        TargetColumn.fitted(FRAME["sold"], (0, 1), scales=True),
        TargetColumn.fitted(FRAME["heated"], ("no", "yes"), scales=True),
    ]
    y = encode_targets(FRAME, targets)
    assert y[:4].tolist() == [[0, 1], [1, 0], [1, 0], [0, 1]]
    found = decide_targets(np.array([[0.0, -1.0]], np.float32), LOGISTIC, targets)
    assert found.predicted.tolist() == [[1, 0]]
    assert found.probabilities == pytest.approx(np.array([[0.5, 1 / (1 + np.e)]]))
    assert read_targets(json.loads(json.dumps(write_targets(targets)))) == tuple(targets)
    with pytest.raises(DataError, match="'heated' has a value that is not in"):
        encode_targets(FRAME.assign(heated="often"), targets)
