"""The average of weights is the one its formula says, and the network gets its own bits back."""

import contextlib
import json

import torch
from torch import Tensor, nn

from layerline.networks import build_network
from layerline.training.weight_averaging import WeightAverage


def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("mlp", {"hidden": [8]}, input_shape=(4,), d_out=3)


def learn(module: nn.Module) -> None:
    module.train()(torch.randn(16, 4))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: item.clone() for name, item in module.state_dict().items()}


def test_the_average_follows_its_formula() -> None:
    module = network()
    average = WeightAverage(module, decay=0.4)
    expected = {name: item.double() for name, item in copied(module).items()}
    for n in range(1, 9):
        learn(module)
        average.update()
        decay = min(0.4, (1 + n) / (10 + n))
        expected = {
            name: decay * expected[name] + (1 - decay) * item.double()
            for name, item in module.state_dict().items()
        }
    counts = copied(module)
    with average.in_place():
        for name, item in module.state_dict().items():
            if item.is_floating_point():  # running means and variances among them
                assert torch.allclose(item.double(), expected[name], atol=1e-5), name
            else:
                assert torch.equal(item, counts[name])


def test_the_network_gets_its_own_bits_back_also_after_an_error() -> None:
    module = network()
    average = WeightAverage(module, decay=0.9)
    learn(module)
    average.update()
    before, places = copied(module), [p.data_ptr() for p in module.parameters()]
    with contextlib.suppress(KeyError), average.in_place():
        assert not torch.equal(module.state_dict()["head.weight"], before["head.weight"])
        raise KeyError
    assert all(torch.equal(item, before[name]) for name, item in module.state_dict().items())
    assert [p.data_ptr() for p in module.parameters()] == places


def test_the_average_goes_on_from_its_state_with_the_same_bits() -> None:
    first, second = network(), network()
    average = WeightAverage(first, decay=0.99)
    for _ in range(3):
        learn(first)
        average.update()
    tensors, numbers = average.state()
    second.load_state_dict(first.state_dict())
    again = WeightAverage(second, decay=0.99)
    again.load(
        {name: item.clone() for name, item in tensors.items()}, json.loads(json.dumps(numbers))
    )
    torch.manual_seed(1)
    learn(first)
    torch.manual_seed(1)
    learn(second)
    for one in (average, again):
        one.update()
    ours, theirs = average.state(), again.state()
    assert ours[1] == theirs[1] == {"n_updates": 4}
    assert all(torch.equal(item, theirs[0][name]) for name, item in ours[0].items())


def test_an_average_of_noisy_weights_is_nearer_to_their_middle() -> None:
    module = nn.Linear(1, 1)
    middle = torch.full((1, 1), 3.0)
    average = WeightAverage(module, decay=0.98)
    generator = torch.Generator().manual_seed(0)
    errors = []
    for _ in range(500):
        with torch.no_grad():
            module.weight.copy_(middle + torch.randn(1, 1, generator=generator))
        average.update()
        with average.in_place():
            errors.append(float((module.weight - middle).detach().abs()))
    assert sum(errors[100:]) / 400 < 0.2
