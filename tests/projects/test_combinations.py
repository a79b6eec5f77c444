"""Choices that do not go together are refused before any work starts."""

import dataclasses

import pytest

from layerline.config import Component, Params, parse_params
from layerline.projects.combinations import combination_problems
from layerline.scaling.splitting import SPLITS


def params(task: str, split: str) -> Params:
    raw = {
        "project": "shop",
        "fetch": {"source": "files", "options": {"path": "x.csv"}, "target": "y", "task": task},
        "train": {"network": "mlp"},
    }
    found, problems = parse_params(raw)
    assert found is not None, problems
    scale = dataclasses.replace(found.scale, split=Component(name=split))
    return dataclasses.replace(found, scale=scale)


@pytest.mark.parametrize("task", ["auto", "binary", "multiclass", "regression"])
@pytest.mark.parametrize("split", SPLITS)
def test_a_split_fits_the_tasks_of_its_line(task: str, split: str) -> None:
    problems = combination_problems(params(task, split))
    if task == "auto" or task in SPLITS[split].tasks:
        assert problems == []
    else:
        (problem,) = problems
        assert str(problem).startswith(f"scale.split.method: {split!r} does not fit fetch.task")
        assert "one of column, group, hash" in str(problem)


@pytest.mark.parametrize(
    ("window", "n_told"), [(None, 0), ({"rows": 5}, 0), ({"rows": 5, "half_life_rows": 9}, 1)]
)
def test_what_knows_no_weights_is_refused_beside_weights_by_age(
    window: object, n_told: int
) -> None:
    raw = {
        "project": "shop",
        "fetch": {"source": "files", "options": {"path": "x.csv"}, "target": "y"},
        "scale": {"window": window},
        "train": {"network": "mlp", "sampling": "balanced"},
    }
    found, problems = parse_params(raw)
    assert found is not None, problems
    told = [str(problem) for problem in combination_problems(found)]
    message = "train.sampling: rows have weights (scale.window), and balanced draws rows"
    assert [line.startswith(message) for line in told] == [True] * n_told


SPACE = {
    "options.hidden": [[32], [64, 32]],
    "options.dropuot": [0.1],
    "optimizer.learning_rate": {"low": -1.0, "high": 1.0},
    "optimizer.weight_decay": [0.1],
}


def test_members_that_cannot_be_built_are_refused() -> None:
    raw = {
        "project": "shop",
        "fetch": {"source": "files", "options": {"path": "x.csv"}, "target": "y"},
        "train": {"network": "mlp", "members": {"count": 2, "space": SPACE}},
    }
    found, problems = parse_params(raw)
    assert found is not None, problems
    told = [str(problem) for problem in combination_problems(found)]
    assert len(told) == 2
    assert told[0].startswith("train.members.space: train.options.dropuot: unknown key")
    assert told[1].startswith("train.members.space: train.optimizer.learning_rate: input should be")


def test_a_gate_by_cost_needs_costs() -> None:
    found = params("binary", "hash")
    gate = dataclasses.replace(found.register.gate, metric="mean_cost")
    found = dataclasses.replace(found, register=dataclasses.replace(found.register, gate=gate))
    (problem,) = combination_problems(found)
    assert str(problem).startswith("register.gate.metric: mean_cost needs evaluate.class_costs")
    costly = dataclasses.replace(found.evaluate, class_costs="steps")
    assert combination_problems(dataclasses.replace(found, evaluate=costly)) == []
