"""A loss of the user's own: of rows or of a batch, tried before the first epoch."""

import pytest
import torch
from own_project import write_own_code

from layerline.config import Component
from layerline.errors import ParamsError
from layerline.training.objectives import (
    LOSSES,
    MeanOfRows,
    TargetFacts,
    build_link,
    build_loss,
    n_outputs,
)

CLASSES = TargetFacts(class_counts=torch.tensor([4, 3, 3]))


def named(name, **options):
    return Component(name=f"mine.losses:{name}", options=options)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    write_own_code(tmp_path)
    monkeypatch.chdir(tmp_path)


def test_a_class_with_options_gives_what_ours_gives():
    y = torch.tensor([0, 2, 1, 1])
    outputs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    own = build_loss(named("Focal", gamma=1.5), "multiclass", CLASSES)
    ours = build_loss(Component(name="focal", options={"gamma": 1.5}), "multiclass", CLASSES)
    assert torch.allclose(own(outputs, y), ours(outputs, y))
    assert isinstance(own, MeanOfRows)
    assert own.rows(outputs, y).shape == (4,)


def test_a_function_of_numbers_is_a_mean_and_takes_weights():
    outputs, y = torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 4.0])
    own = build_loss(named("squared", times=2.0), "regression")
    assert float(own(outputs, y)) == 5.0
    weighted = build_loss(named("squared"), "regression", has_weights=True)
    pairs = torch.stack([y, torch.tensor([2.0, 0.0])], dim=1)
    assert float(weighted(outputs, pairs)) == 1.0
    assert n_outputs(named("squared"), "regression", None) == 1
    assert build_link(named("squared"), "regression").name == "identity"


def test_a_loss_of_the_batch_is_no_mean_of_rows():
    own = build_loss(named("batch"), "multiclass", CLASSES)
    assert not isinstance(own, MeanOfRows)
    assert float(own(torch.zeros(2, 3), torch.tensor([0, 1]))) == pytest.approx(1.0986, abs=1e-4)
    with pytest.raises(ParamsError, match="is no mean over rows"):
        build_loss(named("batch"), "multiclass", CLASSES, has_weights=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pairs", r"gives \(2, 3\) for outputs \(2, 3\) and targets \(2,\), not \(2,\), a loss of"),
        ("cut", "gives a loss without a gradient"),
        ("fails", "cannot be run: ValueError: no loss today"),
    ],
)
def test_what_is_wrong_with_it_is_one_message(name, message):
    with pytest.raises(ParamsError, match=rf"train\.loss: mine\.losses:{name}: {message}"):
        build_loss(named(name), "multiclass", CLASSES)


def test_no_loss_of_ours_looks_like_an_import_path():
    assert not [name for name in LOSSES if ":" in name]
