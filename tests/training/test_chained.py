"""Training by hand is training by autograd."""

import copy
import dataclasses

import pytest
import torch
from torch import Tensor, nn

from layerline.config import Component, TrainSection
from layerline.networks import build_network
from layerline.training import loop
from layerline.training.chained import read_chained, slope_of
from layerline.training.objectives import MeanOfRows, build_loss
from layerline.training.rows import Rows
from layerline.training.session import Session


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
    expected = slope_of(lambda outputs, y: loss(outputs, y), outputs, y)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert found[1].shape == outputs.shape
    assert found[1].is_contiguous()


@pytest.mark.parametrize("name", ["focal", "binary_cross_entropy", "huber", "quantile"])
def test_other_losses_and_mixed_targets_are_left_to_autograd(name: str) -> None:
    task = "binary" if name in ("focal", "binary_cross_entropy") else "regression"
    loss = build_loss(named(name), task)
    y = torch.randint(2, (20,)) if task == "binary" else torch.randn(20)
    outputs = torch.randn(20, 2 if task == "binary" else (3 if name == "quantile" else 1))
    value, gradient = slope_of(loss, outputs, y)
    assert not value.requires_grad
    assert gradient.shape == outputs.shape
    mixed = torch.rand(20, 2)
    value, _ = slope_of(build_loss(named("cross_entropy"), "binary"), torch.zeros(20, 2), mixed)
    assert float(value) == pytest.approx(float(mixed.sum(1).mean()) * 0.6931, rel=1e-3)


def rows(task: str, n_rows: int = 200) -> Rows:
    x = torch.randn(n_rows, 10)
    y = x[:, :3].argmax(1) if task == "multiclass" else x[:, 0] * x[:, 1]
    return Rows(x, y)


def network_of(section: TrainSection, d_out: int, **given: object) -> nn.Module:
    torch.manual_seed(0)
    return build_network("mlp", section.options, input_shape=(10,), d_out=d_out, **given)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("loss", ["auto", "focal"])
def test_a_training_by_hand_ends_where_autograds_does(monkeypatch, loss, accumulate) -> None:
    section = dataclasses.replace(SECTION, loss=named(loss), accumulate=accumulate)
    train, histories, networks = rows("multiclass"), [], []
    for by_hand in (True, False):
        if not by_hand:
            monkeypatch.setattr("layerline.training.session.read_chained", lambda *given: None)
        network = network_of(section, 3)
        assert (read_chained(network.train(), torch.float32) is None) is False
        found = loop.fit(network, train, train, section, task="multiclass", seed=0)
        histories.append([record.train_loss for record in found.history])
        networks.append(network.state_dict())
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)
    torch.testing.assert_close(networks[0], networks[1], rtol=1e-3, atol=1e-4)


def test_embeddings_learn_through_the_chain(monkeypatch) -> None:
    train = Rows(
        torch.cat([torch.randn(90, 8), torch.randint(4, (90, 2)).float()], 1), torch.randn(90)
    )
    found = []
    for by_hand in (True, False):
        if not by_hand:
            monkeypatch.setattr("layerline.training.session.read_chained", lambda *given: None)
        network = network_of(SECTION, 1, category_sizes=(4, 4))
        start = copy.deepcopy(network.embed.state_dict())
        loop.fit(network, train, train, SECTION, task="regression", seed=0)
        found.append(network.embed.state_dict())
        assert any(not torch.equal(start[name], found[-1][name]) for name in start)
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)


def test_rows_are_kept_in_bfloat16_where_they_are_multiplied_first() -> None:
    train = rows("multiclass")
    for options, is_cast in (({"norm": "none"}, True), ({"input_dropout": 0.2}, False)):
        section = dataclasses.replace(SECTION, options=options, precision="bfloat16")
        network = network_of(section, 3)
        training = loop.Training(network, train, train, section, task="multiclass", seed=0)
        assert (training.train.x.dtype == torch.bfloat16) is is_cast
        assert train.x.dtype == torch.float32
        assert isinstance(training.session, Session)
