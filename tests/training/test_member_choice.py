"""Which members are worth keeping: by hand, and never worse than the best one."""

import pytest
import torch
from torch import Tensor

from layerline.networks.ensemble import from_averaged, to_averaged
from layerline.training.member_choice import choose_members, together

Y = torch.tensor([[1.0], [2.0], [3.0], [4.0]])


def error(outputs: Tensor) -> float:
    return float((outputs - Y).square().mean())


def test_errors_that_cancel_are_combined_by_their_sizes() -> None:
    answers = [Y + 2.0, Y - 1.0, Y + 9.0]
    assert choose_members(answers, "outputs", error) == pytest.approx([1 / 3, 2 / 3, 0])


def test_a_right_member_is_kept_alone() -> None:
    assert choose_members([Y + 1, Y, Y - 3], "outputs", error) == [0, 1, 0]


@pytest.mark.parametrize("mean", ["outputs", "probabilities", "exponentials"])
def test_the_mean_of_one_is_itself(mean) -> None:
    outputs = torch.randn(5, 3)
    alike = together([outputs, outputs], mean, [0.3, 0.7])
    torch.testing.assert_close(to_averaged(alike, mean), to_averaged(outputs, mean))
    back = from_averaged(to_averaged(outputs.double(), mean), mean)
    torch.testing.assert_close(to_averaged(back, mean), to_averaged(outputs.double(), mean))


def test_probabilities_are_averaged_by_weight() -> None:
    one, other = torch.randn(4, 3), torch.randn(4, 3)
    expected = 0.25 * one.softmax(1) + 0.75 * other.softmax(1)
    found = together([one, other], "probabilities", [0.25, 0.75])
    torch.testing.assert_close(found.softmax(1), expected)
