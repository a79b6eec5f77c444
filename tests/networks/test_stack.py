"""Several networks as one: the same answers, the same memory."""

import pytest
import torch

from layerline.networks import build_network
from layerline.networks.activations import ACTIVATIONS
from layerline.networks.stack import NotStackableError, stack_networks


def networks(name: str = "mlp", shape: tuple[int, ...] = (4,), **options: object) -> list:
    torch.manual_seed(0)
    return [build_network(name, options, input_shape=shape, d_out=3) for _ in range(3)]


def stacked(members: list) -> torch.nn.Module:
    return stack_networks(members, [torch.Generator() for _ in members])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_each_member_answers_as_it_does_alone(norm: str, activation: str) -> None:
    members = networks(hidden=[6, 5], norm=norm, activation=activation, residual=True, dropout=0.0)
    alone = networks(hidden=[6, 5], norm=norm, activation=activation, residual=True, dropout=0.0)
    stack, x = stacked(members), torch.randn(3, 9, 4)
    for is_training in (True, False):
        stack.train(is_training)
        expected = torch.stack([n.train(is_training)(x[k]) for k, n in enumerate(alone)])
        torch.testing.assert_close(stack(x), expected)


def test_images_and_networks_without_biases_too() -> None:
    for name, options in (("mlp", {"bias": False, "norm": "none"}), ("seven_layer", {})):
        members = networks(name, (1, 8, 8), **options)
        stack, x = stacked(members).eval(), torch.randn(3, 5, 1, 8, 8)
        expected = torch.stack([n.eval()(x[k]) for k, n in enumerate(members)])
        torch.testing.assert_close(stack(x), expected)


def test_a_step_of_the_stack_is_a_step_of_every_member() -> None:
    members = networks(hidden=[6])
    before = [member.head.weight.clone() for member in members]
    stack = stacked(members)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.add_(1.0)
    for member, weight in zip(members, before, strict=True):
        assert torch.equal(member.head.weight, weight + 1)
    n_weights = sum(p.numel() for member in members for p in member.parameters())
    assert sum(p.numel() for p in stack.parameters()) == n_weights


def test_dropout_is_each_members_own() -> None:
    members = networks(hidden=[50], dropout=0.5, norm="none")
    states, x = [], torch.randn(3, 9, 4)
    expected = []
    for place, member in enumerate(members):
        torch.manual_seed(place)
        states.append(torch.Generator().set_state(torch.get_rng_state()))
        expected.append(member.train()(x[place]))
    stack = stack_networks(members, states).train()
    torch.testing.assert_close(stack(x), torch.stack(expected))


@pytest.mark.parametrize(
    ("name", "options"),
    [("cnn", {}), ("rnn", {}), ("conv1x1_mlp", {}), ("mlp", {"numeric_embeddings": "periodic"})],
)
def test_what_has_no_batched_form_is_refused(name: str, options: dict) -> None:
    with pytest.raises(NotStackableError):
        stacked(networks(name, (1, 8, 8) if name != "mlp" else (4,), **options))
