"""Values drawn for trials, grids, and what a study's file may not say."""

import re

import optuna
import pytest
from optuna.samplers import RandomSampler

from layerline.errors import ParamsError
from layerline.studies.search_methods import PRUNERS, SAMPLERS, make_pruner, make_sampler
from layerline.studies.search_objectives import COSTS, METRICS, read_objectives
from layerline.studies.search_space import SearchSpace, space_problems
from layerline.studies.study_file import find_study, parse_study

RAW = {
    "train": {
        "optimizer": {"name": "adamw", "learning_rate": 0.002},
        "options": {"hidden": [8], "norm": None},
        "epochs": 3,
    }
}


def space_of(**space):
    section = parse_study({"space": {k.replace("__", "."): v for k, v in space.items()}}, "s")
    return SearchSpace(section.space, RAW)


def drawn(space, n=60):
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    found = []
    for _ in range(n):
        trial = study.ask()
        found.append(space.sample(trial))
        assert space.decode(trial.params) == found[-1]
        study.tell(trial, 0.0)
    return found


def test_lists_keep_their_values_and_ranges_their_ends():
    space = space_of(
        train__options__hidden=[[8], [16, 8]],
        train__options__norm=["batch", None],
        train__epochs={"low": 2, "high": 8, "step": 3},
        train__optimizer__learning_rate={"low": 1e-4, "high": 0.1, "log": True},
    )
    found = drawn(space)
    assert {tuple(each["train.options.hidden"]) for each in found} == {(8,), (16, 8)}
    assert {each["train.options.norm"] for each in found} == {"batch", None}
    assert {each["train.epochs"] for each in found} == {2, 5, 8}
    rates = [each["train.optimizer.learning_rate"] for each in found]
    assert all(1e-4 <= rate <= 0.1 and float(f"{rate:.4g}") == rate for rate in rates)
    assert sum(rate < 3e-3 for rate in rates) > 15  # half of them, on a logarithmic scale


def test_a_condition_is_met_by_what_was_drawn_or_by_params_yaml():
    momentum = {"low": 0.0, "high": 0.9, "when": {"train.optimizer.name": "sgd"}}
    chosen = space_of(train__optimizer__momentum=momentum, train__optimizer__name=["sgd", "adamw"])
    for each in drawn(chosen):
        has = "train.optimizer.momentum" in each
        assert has == (each["train.optimizer.name"] == "sgd")
    assert all(not each for each in drawn(space_of(train__optimizer__momentum=momentum), 5))


def test_a_grid_has_every_combination_once_and_none_that_differs_in_what_does_not_vary():
    momentum = {"choices": [0.0, 0.9], "when": {"train.optimizer.name": "sgd"}}
    space = space_of(train__optimizer__momentum=momentum, train__optimizer__name=["sgd", "adamw"])
    assert [space.decode(point) for point in space.grid()] == [
        {"train.optimizer.name": "sgd", "train.optimizer.momentum": 0.0},
        {"train.optimizer.name": "sgd", "train.optimizer.momentum": 0.9},
        {"train.optimizer.name": "adamw"},
    ]
    steps = space_of(train__epochs={"low": 1, "high": 7, "step": 2})
    assert [point["train.epochs"] for point in steps.grid()] == [1, 3, 5, 7]
    with pytest.raises(ParamsError, match=r"space.train.epochs: a grid needs .* a step"):
        space_of(train__epochs={"low": 1.5, "high": 7.0}).grid()


def test_params_yaml_comes_first_where_it_is_inside():
    rate = {"low": 1e-4, "high": 0.1}
    inside = space_of(train__optimizer__learning_rate=rate, train__options__hidden=[[4], [8]])
    labels = inside.defaults()
    assert inside.decode(labels) == {
        "train.optimizer.learning_rate": 0.002,
        "train.options.hidden": [8],
    }
    assert space_of(train__options__hidden=[[4], [16]]).defaults() is None
    assert space_of(train__options__dropout={"low": 0.0, "high": 1.0}).defaults() is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be a mapping"),
        ({}, "space: field required"),
        ({"space": {}}, "space: .*at least 1"),
        ({"space": {"train.epochs": []}}, "at least 1"),
        ({"space": {"train.epochs": {"low": 3}}}, "needs a list of choices, or"),
        ({"space": {"train.epochs": {"low": 3, "high": 2}}}, "a low that is above its high"),
        ({"space": {"a": {"low": 0, "high": 2, "log": True}}}, "a low above 0"),
        ({"space": {"a": {"choices": [1], "low": 0, "high": 1}}}, "choices and a range"),
        ({"space": {"a": [1]}, "trails": 3}, "did you mean 'trials'"),
        ({"space": {"a": [1]}, "rungs": [3, 1]}, r"rungs that do not rise: \[3, 1\]"),
        ({"space": {"a": [1]}, "rungs": [0]}, "rungs.0: .*greater than or equal to 1"),
        ({"space": {"a": 0.5}}, r"space.a: must be a list of choices, or \{low, high\}; got 0.5"),
        (
            {"space": {"a": {"low": 1, "high": 3, "step": 0.5}}},
            "has a step of 0.5 between whole numbers; write 1.0 and 3.0",
        ),
        ({"space": {"a": [1]}, "seeds": 0}, "seeds: .*greater than or equal to 1"),
    ],
)
def test_a_wrong_file_is_refused(content, message):
    with pytest.raises(ParamsError, match=message):
        parse_study(content, "s")


def test_only_scale_and_train_vary():
    space = {"seed": [1], "fetch.target": ["a"], "train.epochs": [1], "scale.split": ["hash"]}
    section = parse_study({"space": {**space, "scale.split.valid": [0.1, 0.2]}}, "s")
    assert [problem.where for problem in space_problems(section, RAW)] == [
        "space.seed",
        "space.fetch.target",
        "space.scale.split",
        "space.scale.split.valid",
    ]


@pytest.mark.parametrize(
    ("when", "chooser", "message"),
    [
        ({"train.optimizer.name": "sgd"}, {"train.optimizer.name": ["adamw", "lion"]}, "lion'], w"),
        ({"train.optimizer.name": "sgd"}, {}, r"has choices \['adamw'\], without 'sgd'"),
        ({"train.epochs": 9}, {"train.epochs": {"low": 2, "high": 8}}, "another range, without 9"),
        ({"train.optimizer.name": "adamw"}, {}, None),
        ({"train.loss.name": "mse"}, {}, None),  # written as a name alone
        ({"train.epochs": 4}, {"train.epochs": {"low": 2, "high": 8}}, None),
    ],
)
def test_a_condition_that_is_never_met_is_refused(when, chooser, message):
    momentum = {"low": 0.0, "high": 0.9, "when": when}
    section = parse_study({"space": {"train.optimizer.momentum": momentum, **chooser}}, "s")
    raw = {"train": {**RAW["train"], "loss": "mse"}}
    found = [str(problem) for problem in space_problems(section, raw)]
    assert len(found) == (message is not None)
    if message is not None:
        assert re.search(message, found[0])


def test_objectives_know_their_direction_and_refuse_test_rows():
    (loss, accuracy, cost) = read_objectives(("auto", "valid.accuracy", "parameters"), False)
    assert (loss.name, loss.direction) == ("valid.log_loss", "minimize")
    assert (accuracy.direction, cost.direction) == ("maximize", "minimize")
    assert read_objectives("auto", True)[0].name == "valid.rmse"
    with pytest.raises(ParamsError, match=r"choose by test rows.*'valid.accuracy'"):
        read_objectives("test.accuracy", False)
    with pytest.raises(ParamsError, match="choose one of"):
        read_objectives("valid.sharpness", False)
    with pytest.raises(ParamsError, match=r"metric of numbers, which .* of: valid.accuracy, "):
        read_objectives("valid.rmse", False)
    with pytest.raises(ParamsError, match=r"metric of classes, which .* of: valid.rmse, "):
        read_objectives("valid.accuracy", True)
    assert len(read_objectives(("auto", "valid.log_loss", "valid.log_loss"), False)) == 1
    assert set(COSTS).isdisjoint(METRICS)


def test_every_sampler_and_pruner_is_built_and_checks_its_options():
    from layerline.config.components import Component

    for name in SAMPLERS:
        assert isinstance(make_sampler(Component(name=name), 0), optuna.samplers.BaseSampler)
    for name in PRUNERS:
        assert isinstance(make_pruner(Component(name=name)), optuna.pruners.BasePruner)
    for name, options, message in (
        ("median", {"startup": -1}, "pruner.startup: .*greater than or equal to 0"),
        ("halving", {"least": 0}, "pruner.least: .*greater than or equal to 1"),
        ("hyperband", {"factor": 1}, "pruner.factor: .*greater than or equal to 2"),
        ("wilcoxon", {"p": 2.0}, "pruner.p: .*less than or equal to 1"),
    ):
        with pytest.raises(ParamsError, match=message):
            make_pruner(Component(name=name, options=options))
    with pytest.raises(ParamsError, match=r"sampler.startup"):
        make_sampler(Component(name="tpe", options={"startup": "many"}), 0)
    with pytest.raises(ParamsError, match="'tpf' is not known; did you mean 'tpe'"):
        make_sampler(Component(name="tpf"), 0)


def test_a_study_that_is_not_there_is_reported_with_those_that_are(tmp_path):
    from layerline.artifacts import Workspace

    folder = tmp_path / "recipes" / "studies"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text("space: {train.epochs: [1]}\n")
    workspace = Workspace(tmp_path)
    assert find_study(workspace, "small")[0] == "small"
    assert find_study(workspace, "quick")[1]["objective"] == "auto"  # one that we ship
    with pytest.raises(ParamsError, match=r"bigger: no such study; .*\(activations, .*, small, "):
        find_study(workspace, "bigger")
    workspace.params.write_text("project: p\n")
    with pytest.raises(ParamsError, match="study: is not set"):
        find_study(workspace, None)
