"""One network from an ensemble: it answers as that does, and is kept where it is nearly as good."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from layerline.config import MembersSection, TrainSection, parse_params
from layerline.networks.ensemble import Ensemble
from layerline.networks.mlp import MLP
from layerline.networks.serialization import NetworkSpec
from layerline.projects.combinations import combination_problems
from layerline.training import distillation
from layerline.training.dataset import Rows, TrainingData
from layerline.training.distillation import distill
from layerline.training.fit import fit
from layerline.training.inference import predict
from layerline.training.members import Kept, Members
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots

OPTIONS: dict[str, Any] = {"hidden": [16], "dropout": 0.1}


def rows(n_rows: int, seed: int, is_number: bool) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_rows, 3, generator=generator)
    score = x[:, 0] * x[:, 1] + 0.5 * torch.randn(n_rows, generator=generator)
    return Rows(x, score if is_number else (score > 0).long())


def trained(tmp_path: Path, is_number: bool) -> tuple[Members, Kept]:
    members = MembersSection(count=3, keep="all", space={}, distil=True)
    section = TrainSection(options=OPTIONS, batch_size=32, epochs=12, device="cpu", members=members)
    task, classes = ("regression", None) if is_number else ("binary", (0, 1))
    spec = NetworkSpec("mlp", OPTIONS, (3,), 1 if is_number else 2, task, classes)
    data = TrainingData.of(rows(300, 0, is_number), rows(150, 1, is_number), task)
    given = TrainingSetup(data, section, spec, seed=5, threads=1)
    several = Members(given, lambda facts: Snapshots(tmp_path / "snapshot"))
    return several, several.run(lambda record: None, lambda text: None)


@pytest.mark.parametrize("is_number", [False, True], ids=["classes", "numbers"])
def test_the_network_answers_as_the_ensemble_does(
    is_number: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members, kept = trained(tmp_path, is_number)
    told: list[str] = []
    monkeypatch.setattr(distillation, "TOLERANCE", 10.0)
    learnt = distill(members, kept, told.append)
    given = members.setup
    alone = given.build_member(given.seed).network
    fit(alone, given.data, given.section, seed=given.seed)
    x = given.data.valid.x

    def answers(network: torch.nn.Module) -> Tensor:
        outputs = predict(network, x)
        return outputs if is_number else outputs.softmax(1)

    assert isinstance(learnt.network, MLP)
    assert learnt.spec == given.spec
    gaps = [(answers(one) - answers(kept.network)).abs().mean() for one in (learnt.network, alone)]
    assert gaps[0] < 0.8 * gaps[1]
    facts = learnt.about["distilled"]
    assert facts["is_kept"]
    loss = torch.nn.functional.mse_loss if is_number else torch.nn.functional.cross_entropy
    outputs = predict(learnt.network, x)
    truth = given.data.valid.y
    expected = float(loss(outputs.flatten() if is_number else outputs, truth))
    assert facts["value"] == pytest.approx(expected, rel=1e-5)
    assert learnt.result == kept.result  # the curve is that of the ensemble
    assert told[-1].endswith("is kept")
    again = distill(members, kept, told.append)
    assert all(map(torch.equal, again.network.parameters(), learnt.network.parameters()))


def test_one_that_is_worse_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members, kept = trained(tmp_path, is_number=False)
    monkeypatch.setattr(distillation, "TOLERANCE", -0.9)
    told: list[str] = []
    found = distill(members, kept, told.append)
    assert found.network is kept.network
    assert found.spec.network == "ensemble"
    assert not found.about["distilled"]["is_kept"]
    assert told[-1].endswith("the ensemble is kept")
    assert isinstance(kept.network, Ensemble)
    single = dataclasses.replace(kept, network=kept.network.members[0])
    assert distill(members, single, told.append) is single  # nothing to learn


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"train": {"sampling": "balanced"}}, "train.sampling: answers are no classes"),
        ({"train": {"augment": ["flip"]}}, "train.augment: answers are those of unchanged rows"),
        ({"train": {"loss": "quantile"}}, "train.loss: it does not take answers as targets"),
        ({"fetch": {"weights": "w"}}, "fetch.weights: answers have no weights"),
        ({"train": {"folds": 2}}, "train.folds: every row taught the ensemble"),
    ],
    ids=["sampling", "augment", "loss", "weights", "folds"],
)
def test_what_answers_cannot_be_learnt_with_is_refused(changes: dict[str, Any], told: str) -> None:
    train = {"members": {"count": 2, "keep": "all", "distil": True}, **changes.get("train", {})}
    fetch = {"source": "files", **changes.get("fetch", {})}
    params, problems = parse_params({"project": "p", "fetch": fetch, "train": train})
    assert params is not None, problems
    assert re.search(told, "; ".join(map(str, combination_problems(params))))
    with pytest.raises(ValueError, match="keep: best leaves one network"):
        MembersSection(keep="best", distil=True)
