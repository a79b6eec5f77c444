"""A class of which validation has few rows or none is not forgotten when the epoch is chosen."""

import torch

from layerline.config import Component, TrainSection
from layerline.networks import build_network
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.fit import fit
from layerline.training.inference import predict
from layerline.training.stand_in_rows import stand_in


def rare(n_rows: int = 400, n_rare: int = 4) -> Rows:
    """A class of few rows, far away from the others."""
    generator = torch.Generator().manual_seed(0)
    y = (torch.arange(n_rows) < n_rare).long()
    x = torch.randn(n_rows, 2, generator=generator)
    return Rows(x + 4.0 * y[:, None], y)


def without(rows: Rows, k: int) -> Rows:
    kept = torch.nonzero(rows.y != k).flatten()
    return Rows(rows.x[kept][:100], rows.y[kept][:100])


def test_train_rows_of_a_rare_class_stand_in() -> None:
    train = rare()
    valid = without(train, 1)
    filled, note = stand_in(train, valid, ("ok", "fraud"))
    assert torch.bincount(filled.y).tolist() == [100, 4]
    assert torch.equal(filled.x[:100], valid.x)
    assert torch.equal(filled.x[100:], train.x[:4])
    assert note.startswith("few validation rows are of class 'fraud' (0): 4 train rows")


def test_many_rare_classes_are_not_filled_from_train_rows() -> None:
    y = torch.arange(240) % 24
    train = Rows(torch.randn(240, 2), y)
    valid = Rows(torch.randn(46, 2), torch.arange(46) % 23)  # two of each class, none of the last
    filled, note = stand_in(train, valid, tuple("abcdefghijklmnopqrstuvwx"))
    assert torch.bincount(filled.y).tolist() == [2] * 24
    assert note.startswith("few validation rows are of class 'x' (0): 2 train rows")


def test_where_every_class_is_there_nothing_is_added() -> None:
    train = rare(n_rare=6)
    filled, note = stand_in(train, train, ("ok", "fraud"))
    assert filled is train
    assert note == ""
    numbers = Rows(train.x, train.x[:, 0])
    assert stand_in(numbers, numbers, None)[0] is numbers


def test_the_epoch_that_is_kept_knows_the_rare_class() -> None:
    train = rare()
    valid, _ = stand_in(train, without(train, 1), ("ok", "fraud"))
    prepare_torch(0, 1)
    network = build_network("mlp", {"hidden": [16], "dropout": 0.0}, input_shape=(2,), d_out=2)
    optimizer = Component(name="adamw", options={"learning_rate": 0.01})
    section = TrainSection(epochs=60, batch_size=64, device="cpu", optimizer=optimizer)
    fit(network, TrainingData.of(train, valid, "binary"), section, seed=0)
    found = predict(network, train.x).softmax(1)[:4, 1]
    assert (found > 0.5).all()
