"""Networks that answer together: what their mean is."""

import pytest
import torch

from layerline.errors import ParamsError
from layerline.networks import build_network, network_problems

OPTIONS = {"members": 3, "member_options": {"hidden": [5], "norm": "none", "dropout": 0.0}}


def build(d_out: int | None, **options: object) -> torch.nn.Module:
    return build_network("ensemble", {**OPTIONS, **options}, input_shape=(4,), d_out=d_out)


def test_outputs_are_averaged_for_numbers():
    network, x = build(2), torch.randn(6, 4)
    expected = sum(member(x) for member in network.members) / 3
    torch.testing.assert_close(network(x), expected)


def test_probabilities_are_averaged_for_classes():
    network, x = build(3, mean="probabilities"), torch.randn(6, 4) * 10
    expected = torch.stack([member(x).softmax(1) for member in network.members]).mean(0)
    torch.testing.assert_close(network(x).exp(), expected)
    torch.testing.assert_close(network(x).softmax(1), expected)


def test_a_member_that_is_not_known_is_reported():
    with pytest.raises(ParamsError, match="'mpl' is not known; did you mean 'mlp'"):
        build(3, member="mpl")
    problems = network_problems("ensemble", {"member_options": {"hiden": [5]}})
    assert len(problems) == 1
    assert "hidden" in problems[0].message


def test_logs_of_counts_are_averaged_as_counts():
    network, x = build(1, mean="exponentials"), torch.randn(6, 4)
    expected = sum(member(x).exp() for member in network.members) / 3
    torch.testing.assert_close(network(x).exp(), expected)


def test_probabilities_of_one_output_are_refused():
    with pytest.raises(ParamsError, match=r"train\.options\.mean: .* set mean: outputs"):
        build(1, mean="probabilities")
