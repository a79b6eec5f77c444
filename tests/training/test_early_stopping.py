"""The best weights are kept bit for bit, and every rule says why it stops."""

import json

import pytest
import torch
from torch import nn

from layerline.networks import build_network
from layerline.training.early_stopping import BestWeights, StoppingRules


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_network("mlp", {"hidden": [8]}, input_shape=(4,), d_out=3)


def learn(module: nn.Module) -> None:
    """Change every parameter and statistic, counts included."""
    module.train()(torch.randn(16, 4))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def bits(module: nn.Module) -> dict[str, bytes]:
    return {name: item.numpy().tobytes() for name, item in module.state_dict().items()}


def test_the_best_weights_come_back_bit_for_bit() -> None:
    module, best, seen = network(), BestWeights(), {}
    for epoch, value in enumerate((0.5, 0.3, 0.4, 0.2, 0.2, float("nan")), start=1):
        learn(module)
        seen[epoch] = bits(module)
        assert best.offer(module, value, epoch) == (epoch in (1, 2, 4))
    best.restore(module)
    assert (best.epoch, best.value) == (4, 0.2)
    assert bits(module) == seen[4]


def test_later_offers_write_into_the_same_tensors() -> None:
    module, best = network(), BestWeights()
    best.offer(module, 0.5, 1)
    places = {name: item.data_ptr() for name, item in best.weights.items()}
    learn(module)
    best.offer(module, 0.4, 2)
    assert {name: item.data_ptr() for name, item in best.weights.items()} == places


def test_min_delta_asks_for_more_than_a_little() -> None:
    module, best = network(), BestWeights(min_delta=0.1)
    assert [best.offer(module, value, 1) for value in (1.0, 0.95, 0.9, 0.85)] == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("n_offers", [0, 2])
def test_best_weights_go_on_from_their_state(n_offers: int) -> None:
    module, best = network(), BestWeights()
    for epoch in range(1, n_offers + 1):
        learn(module)
        best.offer(module, 1 / epoch, epoch)
    tensors, numbers = best.state()
    again = BestWeights()
    again.load(
        {name: item.clone() for name, item in tensors.items()},
        json.loads(json.dumps(numbers, allow_nan=False)),
    )
    assert (again.value, again.epoch) == (best.value, best.epoch)
    learn(module)
    for kept in (best, again):
        assert kept.offer(module, 0.1, n_offers + 1)
    assert all(torch.equal(item, again.weights[name]) for name, item in best.weights.items())


BEST = BestWeights(value=0.25, epoch=10)


@pytest.mark.parametrize(
    ("rules", "epoch", "minutes", "reason"),
    [
        (StoppingRules(), 1000, 1e9, None),
        (StoppingRules(patience_epochs=20), 29, 0, None),
        (StoppingRules(patience_epochs=20), 30, 0, "no better for 20 epochs"),
        (StoppingRules(patience_epochs=1), 11, 0, "no better for 1 epoch"),
        (StoppingRules(target=0.2), 10, 0, None),
        (
            StoppingRules(target=0.25),
            10,
            0,
            "reached the target: 0.25 at epoch 10, 0.25 was asked for",
        ),
        (StoppingRules(time_minutes=10), 10, 9.99, None),
        (StoppingRules(time_minutes=10), 10, 10, "the time budget of 10 minutes is used up"),
        (StoppingRules(time_minutes=1), 10, 2, "the time budget of 1 minute is used up"),
        (StoppingRules(patience_epochs=20, target=0.2, time_minutes=5), 20, 4, None),
        (
            StoppingRules(5, 0.3, 5),
            99,
            99,
            "reached the target: 0.25 at epoch 10, 0.3 was asked for",
        ),
        (StoppingRules(5, 0.2, 5), 99, 99, "no better for 5 epochs"),
    ],
)
def test_a_rule_says_why(
    rules: StoppingRules, epoch: int, minutes: float, reason: str | None
) -> None:
    assert rules.reason(BEST, epoch, minutes) == reason
