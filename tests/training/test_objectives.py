"""Every loss agrees with its formula in numpy, and losses fit their tasks."""

import numpy as np
import pytest
import torch

from layerline.config import Component
from layerline.errors import ParamsError
from layerline.training.objectives import CLASSIFICATION_LOSSES, LOSSES, build_loss

OUTPUTS = np.array([[0.3, -1.0, 2.0], [1.5, 0.0, -0.5]])
NUMBERS, TARGETS = np.array([[0.2], [3.0]]), np.array([0.5, -1.0])


def number_loss(name: str, **options: float) -> float:
    loss = build_loss(Component(name=name, options=options), "regression")
    return float(loss(torch.tensor(NUMBERS), torch.tensor(TARGETS)))


def test_cross_entropy_is_minus_the_log_of_the_true_probability() -> None:
    loss = build_loss(Component(name="auto"), "multiclass")
    shares = np.exp(OUTPUTS) / np.exp(OUTPUTS).sum(1, keepdims=True)
    expected = -np.log(shares[[0, 1], [2, 0]]).mean()
    assert float(loss(torch.tensor(OUTPUTS), torch.tensor([2, 0]))) == pytest.approx(expected)


def test_label_smoothing_moves_mass_to_all_classes() -> None:
    loss = build_loss(Component(name="cross_entropy", options={"label_smoothing": 0.3}), "binary")
    logs = np.log(np.exp(OUTPUTS) / np.exp(OUTPUTS).sum(1, keepdims=True))
    expected = -(0.7 * logs[[0, 1], [2, 0]] + 0.1 * logs.sum(1)).mean()
    assert float(loss(torch.tensor(OUTPUTS), torch.tensor([2, 0]))) == pytest.approx(expected)


def test_number_losses_agree_with_numpy() -> None:
    gaps = np.abs(NUMBERS[:, 0] - TARGETS)
    assert number_loss("auto") == pytest.approx(np.square(gaps).mean())
    assert number_loss("mae") == pytest.approx(gaps.mean())
    expected = np.where(gaps <= 2, gaps**2 / 2, 2 * (gaps - 1)).mean()
    assert number_loss("huber", delta=2.0) == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_refuses_the_other_task(name: str) -> None:
    task = "regression" if name in CLASSIFICATION_LOSSES else "binary"
    with pytest.raises(ParamsError, match="does not fit"):
        build_loss(Component(name=name), task)


def test_an_unknown_option_is_told() -> None:
    with pytest.raises(ParamsError, match=r"train\.loss\.delat: unknown key; did you mean 'delta'"):
        number_loss("huber", delat=1.0)
