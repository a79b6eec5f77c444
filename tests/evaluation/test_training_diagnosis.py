"""The sentence on synthetic histories."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from layerline.evaluation.training_diagnosis import diagnose, guess_loss


def history(train, valid):
    return [{"train_loss": t, "valid_loss": v} for t, v in zip(train, valid, strict=True)]


@pytest.mark.parametrize(
    ("train", "valid", "kept", "epochs", "says"),
    [
        ([2.0, 1.0, 0.3], [3.0, 2.0, 1.0], 3, 3, "still falling at the last epoch"),
        ([2.0, 1.0, 0.3], [3.0, 2.0, 1.0], 3, 3, "more epochs may help"),
        ([2.0, 1.0, 0.3], [2.0, 1.0, 3.0], 2, 10, "Over-fitting began after epoch 2"),
        ([2.0, 1.0, 0.9], [2.0, 1.0, 1.05], 2, 10, "lowest at epoch 2"),
        ([2.0, 1.0, 4.0], [2.0, 1.0, 4.0], 2, 10, "The training diverged"),
        ([2.0, 1.0, np.inf], [2.0, 1.0, np.nan], 2, 10, "The training diverged"),
        ([2.3, 2.29, 2.29], [2.3, 2.29, 2.3], 2, 10, "Under-fitting"),
        ([-1.0, -2.0, -3.0], [-1.0, -2.0, -1.9], 2, 10, "lowest at epoch 2"),
        ([2.0], [1.9], 1, 1, "epoch 1 of 1"),
    ],
)
def test_the_fit_is_described_in_a_sentence(train, valid, kept, epochs, says):
    assert says in diagnose(history(train, valid), kept, epochs, guessing=2.3)


def test_without_a_guess_nothing_is_called_under_fitting():
    assert "Under-fitting" not in diagnose(history([2.3, 2.3], [2.3, 2.3]), 1, 10)


def test_a_guess_is_the_share_of_each_class_or_the_mean():
    train, valid = np.array([0, 0, 0, 1] * 50), np.array([0, 1, 0, 0])
    shares = np.tile([151 / 202, 51 / 202], (4, 1))
    assert guess_loss(train, valid, 2) == pytest.approx(log_loss(valid, shares))
    assert guess_loss(np.array([1.0, 3.0]), np.array([2.0, 4.0]), None) == pytest.approx(2.0)
    assert np.isfinite(guess_loss(np.array([0, 0]), np.array([1]), 3))
