"""Rare classes are in every split, as far as their rows go; their figures are called rough."""

import numpy as np
import pandas as pd
import pytest

from layerline.scaling.splitting import TEST, TRAIN, VALID
from layerline.scaling.splitting.rare_classes import MOST_ROWS, deal_rare_classes, rare_class_note


def dealt(n_rare: int, labels: np.ndarray | None = None, copies: int = 1) -> np.ndarray:
    """The splits of a class of `n_rare` rows beside 1,000 others; all were train rows."""
    n_rows = 1000 + n_rare
    classes = pd.Series([0] * 1000 + [1] * n_rare)
    hashes = np.random.default_rng(1).integers(0, 2**63, n_rows, dtype=np.uint64)
    hashes[1000:] = np.repeat(hashes[1000::copies], copies)[:n_rare]
    labels = np.full(n_rows, TRAIN) if labels is None else labels
    return deal_rare_classes(labels, classes, hashes, 0.15, 0.2)


@pytest.mark.parametrize(
    ("n_rows", "wanted"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (5, (3, 1, 1)), (20, (13, 3, 4))],
)
def test_a_rare_class_is_in_every_split(n_rows: int, wanted: tuple[int, int, int]) -> None:
    labels = dealt(n_rows)[1000:]
    assert tuple(int((labels == split).sum()) for split in (TRAIN, VALID, TEST)) == wanted


def test_other_classes_stay_where_they_are() -> None:
    assert (dealt(5)[:1000] == TRAIN).all()
    assert (dealt(MOST_ROWS + 1) == TRAIN).all()
    there = np.full(1010, TRAIN)
    there[1000:1002] = VALID, TEST
    assert (dealt(10, there) == there).all()  # every split has a row of it


def test_copies_of_a_rare_row_stay_together() -> None:
    labels = dealt(12, copies=3)[1000:].reshape(4, 3)
    assert (labels == labels[:, :1]).all()
    assert set(labels[:, 0]) == {TRAIN, VALID, TEST}


def test_the_warning_has_figures() -> None:
    classes = pd.Series(["ok"] * 1000 + ["fraud"] * 5)
    labels = np.r_[np.repeat([TRAIN, VALID, TEST], [650, 150, 200]), [0, 0, 0, 1, 2]]
    note = rare_class_note(labels, classes)
    assert note is not None
    assert "class 'fraud' has 3 train, 1 validation and 1 test rows" in note
    assert "a recall of 100 % on 1 test row has a 95 % interval from 2%" in note
    assert (
        rare_class_note(np.resize([0, 1, 2], 300), pd.Series(np.resize([0, 0, 0, 1], 300))) is None
    )
