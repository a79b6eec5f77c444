"""Networks that answer together: what their mean is."""

import pytest
import torch

from layerline.errors import ParamsError
from layerline.networks import build_network, network_problems
from layerline.networks.ensemble import to_averaged

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


def test_members_may_differ_and_count_by_weight() -> None:
    varied = ({"hidden": [5]}, {"hidden": [7, 3]}, {"dropout": 0.5})
    shares = torch.tensor([0.5, 0.2, 0.3]).view(-1, 1, 1)
    x = torch.randn(6, 4)
    for mean in ("outputs", "probabilities", "exponentials"):
        network = build(3, mean=mean, variations=varied, weights=[0.5, 0.2, 0.3]).eval()
        assert network.members[1].d_hidden == 3
        answers = torch.stack([to_averaged(member(x), mean) for member in network.members])
        found = to_averaged(network(x), mean)
        torch.testing.assert_close(found, (answers * shares).sum(0))


def test_a_list_of_another_length_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"train\.options\.weights: .* 3 members, has 2"):
        build(3, weights=[0.5, 0.5])
