"""Training with kernels ends where training with torch's own operations does."""

import copy
import dataclasses

import pytest
import torch
from torch import Tensor, nn

from layerline.config import Component, TrainSection
from layerline.errors import DivergedError
from layerline.kernels import switch
from layerline.networks import build_network
from layerline.training import loop
from layerline.training.dataset import Rows, TrainingData
from layerline.training.epoch_records import Listener
from layerline.training.fine_tuning import FineTuning
from layerline.training.fit import fit
from layerline.training.member import Member
from layerline.training.objectives import MeanOfRows, build_loss, value_and_gradient


def named(name: str, **options: object) -> Component:
    return Component(name=name, options=options)


SECTION = TrainSection(
    options={"hidden": [32, 16], "dropout": 0.2},
    optimizer=Component(name="adamw"),
    schedule=Component(name="cosine"),
    batch_size=32,
    epochs=3,
    early_stopping=None,
    precision="float32",
)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(50, 3), (7, 200)])
def test_the_slope_of_cross_entropy_is_autograds(shape, smoothing: float) -> None:
    loss = build_loss(named("cross_entropy", label_smoothing=smoothing), "multiclass")
    outputs = 5 * torch.randn(*shape)
    check_slope(loss, outputs, torch.randint(shape[1], shape[:1]))


def test_the_slope_of_squared_errors_is_autograds() -> None:
    check_slope(build_loss(named("mse"), "regression"), torch.randn(40, 1), torch.randn(40))


def check_slope(loss: MeanOfRows, outputs: Tensor, y: Tensor) -> None:
    assert loss.slope is not None
    found = loss.slope(outputs, y)
    expected = value_and_gradient(lambda outputs, y: loss(outputs, y), outputs, y)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert found[1].shape == outputs.shape
    assert found[1].is_contiguous()


@pytest.mark.parametrize("name", ["focal", "binary_cross_entropy", "huber", "quantile"])
def test_other_losses_are_left_to_autograd(name: str) -> None:
    task = "binary" if name in ("focal", "binary_cross_entropy") else "regression"
    loss = build_loss(named(name), task)
    y = torch.randint(2, (20,)) if task == "binary" else torch.randn(20)
    check_by_autograd(loss, torch.randn(20, {"huber": 1, "quantile": 3}.get(name, 2)), y)


def test_targets_that_are_shares_are_left_to_autograd() -> None:
    loss = build_loss(named("cross_entropy", label_smoothing=0.1), "multiclass")
    check_by_autograd(loss, torch.randn(20, 4), torch.rand(20, 4).softmax(1))


def check_by_autograd(loss, outputs: Tensor, y: Tensor) -> None:
    leaf = outputs.clone().requires_grad_()
    expected = loss(leaf, y)
    expected.backward()
    value, gradient = value_and_gradient(loss, outputs.clone(), y)
    assert torch.equal(value, expected.detach())
    assert torch.equal(gradient, leaf.grad)


def rows(n_rows: int = 200) -> Rows:
    torch.manual_seed(0)
    x = torch.randn(n_rows, 16)
    return Rows(x, x[:, :3].argmax(1))


def network_of(section: TrainSection, d_out: int = 3, **given: object) -> nn.Module:
    torch.manual_seed(0)
    given = {"input_shape": (16,), **given}
    return build_network(section.network, section.options, d_out=d_out, **given)


def both_ways(run) -> list:
    """What `run` returns with kernels and without any."""
    with_kernels = run()
    with switch.without():
        return [with_kernels, run()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"accumulate": 3},
        {"clip_norm": 0.05},
        {"average": 0.9},
        {"loss": named("focal")},
        {"optimizer": named("lbfgs"), "schedule": named("constant"), "epochs": 1},
        {"precision": "bfloat16", "options": {"hidden": [32, 16], "norm": "none", "dropout": 0.0}},
        {
            "options": {"numeric_embeddings": "piecewise_linear", "norm": "none"},
            "optimizer": named("sgd"),  # Adam turns rounding of tiny gradients into steps
            "batch_size": 200,
        },
        {"options": {"numeric_embeddings": "periodic"}},
        {"options": {"norm": "layer", "residual": True}},
        {"network": "ensemble", "options": {}},
    ],
    ids=str,
)
def test_a_training_ends_where_torchs_does(changes: dict) -> None:
    section, train = dataclasses.replace(SECTION, **changes), rows()
    rough = section.precision == "bfloat16" or section.optimizer.name == "lbfgs"

    def run() -> tuple[list[float], dict[str, Tensor]]:
        network = network_of(section)
        found = fit(network, TrainingData.of(train, train, "multiclass"), section, seed=0)
        return [record.train_loss for record in found.history], network.state_dict()

    (losses, weights), (others, known) = both_ways(run)
    assert losses == pytest.approx(others, rel=3e-2 if rough else 1e-4)
    close = {"rtol": 0.1, "atol": 2e-2} if rough else {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(weights, known, **close)


def test_layers_that_thaw_and_are_pulled_learn_the_same() -> None:
    train = rows()

    def run() -> dict[str, Tensor]:
        network = network_of(SECTION)
        names = [name for name, _ in network.named_parameters()]
        first_epochs = {
            name: 1 if "head" in name else 2 for name in names if "blocks.0" not in name
        }
        anchors = {name: p.detach().clone() for name, p in network.named_parameters()}
        fine_tuning = FineTuning(first_epochs, pull=0.1, anchors=anchors)
        fine_tuning.freeze(network)
        data = TrainingData.of(train, train, "multiclass")
        loop.Training([Member(network, 0)], data, SECTION, fine_tuning).run(Listener())
        assert torch.equal(network.blocks[0].weight, anchors["blocks.0.weight"])
        assert not torch.equal(network.blocks[4].weight, anchors["blocks.4.weight"])
        return network.state_dict()

    torch.testing.assert_close(*both_ways(run), rtol=1e-3, atol=1e-4)


def test_pixels_by_groups_learn_as_the_modules_do() -> None:
    options = {"channels": [9], "hidden": [12], "dropout": 0.2}
    section = dataclasses.replace(
        SECTION, network="conv1x1_mlp", options=options, precision="bfloat16"
    )
    flat = rows()
    train = Rows(flat.x.view(-1, 1, 4, 4), flat.y)

    def run() -> list[float]:
        network = network_of(section, input_shape=(1, 4, 4))
        found = fit(network, TrainingData.of(train, train, "multiclass"), section, seed=0)
        return [record.valid_loss for record in found.history]

    grouped, by_modules = both_ways(run)
    assert grouped == pytest.approx(by_modules, rel=2e-2)


def test_embeddings_learn_through_the_chain() -> None:
    x = torch.cat([torch.randn(90, 8), torch.randint(4, (90, 2)).float()], 1)
    train = Rows(x, torch.randn(90))

    def run() -> dict[str, Tensor]:
        network = network_of(SECTION, 1, input_shape=(10,), category_sizes=(4, 4))
        start = copy.deepcopy(network.embed.state_dict())
        fit(network, TrainingData.of(train, train, "regression"), SECTION, seed=0)
        learnt = network.embed.state_dict()
        assert any(not torch.equal(start[name], learnt[name]) for name in start)
        return learnt

    torch.testing.assert_close(*both_ways(run), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "is_cast"), [({"norm": "none"}, True), ({"input_dropout": 0.2}, False)], ids=str
)
def test_rows_are_kept_in_bfloat16_where_they_are_multiplied_first(options, is_cast) -> None:
    train = rows()
    section = dataclasses.replace(SECTION, options=options, precision="bfloat16")
    data = TrainingData.of(train, train, "multiclass")
    training = loop.Training([Member(network_of(section), 0)], data, section)
    assert (training.data.train.x.dtype == torch.bfloat16) is is_cast
    assert train.x.dtype == torch.float32


def test_numbers_that_end_in_the_hidden_layers_are_named() -> None:
    # oneDNN's ReLU makes 0 of what is no number, so that no step's loss need show it.
    network, train = network_of(SECTION), rows()
    with torch.no_grad():
        network.blocks[4].weight[0, 0] = torch.nan
    with pytest.raises(DivergedError, match=r"epoch 1, .*in layer blocks\.4 \(Linear\)"):
        fit(network, TrainingData.of(train, train, "multiclass"), SECTION, seed=0)
