"""Row weights: a row of weight 3 is three rows, in the loss, the choice of an epoch and metrics."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from layerline.artifacts import Workspace, read_json, read_manifest, replace_folder
from layerline.config import (
    Component,
    EvaluateSection,
    MembersSection,
    ScaleSection,
    ThresholdSection,
    TrainSection,
    ValidateSection,
    parse_params,
)
from layerline.errors import DataError, ParamsError
from layerline.evaluation.bootstrap import paired_gain
from layerline.evaluation.conformal import fit_conformal
from layerline.evaluation.conformal_groups import Groups
from layerline.evaluation.fit_decision import fit_decision
from layerline.evaluation.metrics import measure
from layerline.evaluation.predictions import Predictions, softmax
from layerline.evaluation.temperature import calibrate, fit_temperature
from layerline.evaluation.thresholds import choose_threshold
from layerline.networks.serialization import NetworkSpec
from layerline.projects.combinations import combination_problems
from layerline.registry.gate import metric_value
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.scale import scale
from layerline.tables.storage import write_table
from layerline.training.dataset import Rows, TrainingData, load_rows
from layerline.training.epoch_measurement import error_of
from layerline.training.fit import fit
from layerline.training.members import Members
from layerline.training.objectives import LOSSES, build_loss
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots
from layerline.training.stand_in_rows import stand_in
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw

COUNTS = torch.tensor([1, 3, 2, 1, 2, 3])


def rows(classes: bool) -> Rows:
    y = torch.tensor([0, 1, 1, 0, 1, 0]) if classes else torch.tensor([0.5, 2, 1, 3, 0.1, 1])
    generator = torch.Generator().manual_seed(0)
    return Rows(torch.randn(6, 4, generator=generator), y, weights=COUNTS.double() * 10)


def repeated(values: Tensor) -> Tensor:
    return values.repeat_interleave(COUNTS, 0)


# Row weights are refused with several targets.
WEIGHABLE = [n for n in LOSSES if n != "focal" and LOSSES[n].tasks & {"binary", "regression"}]


@pytest.mark.parametrize("name", WEIGHABLE)
def test_a_weight_is_as_many_rows_in_the_loss(name: str) -> None:
    classes = "binary" in LOSSES[name].tasks
    task = "binary" if classes else "regression"
    given = rows(classes)
    outputs = torch.randn(6, 2 if classes else 3 if name == "quantile" else 1, requires_grad=True)
    plain, weighted = (build_loss(Component(name=name), task, has_weights=w) for w in (False, True))
    expected = plain(repeated(outputs), repeated(given.y))
    torch.testing.assert_close(weighted(outputs, given.targets), expected)
    slopes = [
        torch.autograd.grad(loss, outputs)[0]
        for loss in (expected, weighted(outputs, given.targets))
    ]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("classes", [True, False], ids=["classes", "numbers"])
def test_a_weight_is_as_many_rows_in_the_error(classes: bool) -> None:
    given = rows(classes)
    outputs = torch.randn(6, 2 if classes else 1, generator=torch.Generator().manual_seed(1))
    many = Rows(repeated(given.x), repeated(given.y))
    assert error_of(outputs, given) == pytest.approx(error_of(repeated(outputs), many))


def test_losses_that_weigh_classes_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"train\.loss: 'focal'.*row weights need"):
        build_loss(Component(name="focal"), "binary", has_weights=True)


def test_weights_change_the_network_alike_alone_and_in_a_stack(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(90) % 3
    x = torch.eye(3, 4)[y] + torch.randn(90, 4, generator=generator)
    train = Rows(x, y, weights=torch.where(y == 0, 5.0, 0.5).double())
    options = {"hidden": [8], "dropout": 0.2}
    section = TrainSection(
        options=options,
        batch_size=16,
        epochs=3,
        device="cpu",
        members=MembersSection(count=2, keep="all", space={}),
    )
    spec = NetworkSpec("mlp", options, (4,), 3, "multiclass", (0, 1, 2))
    data = TrainingData.of(train, train, "multiclass")
    given = TrainingSetup(data, section, spec, seed=3, threads=1)
    members = Members(given, lambda facts: Snapshots(tmp_path))
    kept = members.run(lambda record: None, lambda text: None)
    for member in members.members.values():
        alone = given.build_member(member.seed).network
        result = fit(alone, data, section, seed=member.seed)
        for mine, its in zip(member.history, result.history, strict=True):
            assert mine.valid_loss == pytest.approx(its.valid_loss, rel=1e-3)
            assert mine.valid_error == pytest.approx(its.valid_error, abs=0.02)
    bare = dataclasses.replace(train, weights=None)
    unweighted = TrainingData.of(bare, bare, "multiclass")
    other = given.build_member(3).network
    assert fit(other, unweighted, section, seed=3).history[-1].valid_loss != pytest.approx(
        members.members[0].history[-1].valid_loss, rel=1e-3
    )
    assert kept.result.history[-1].valid_loss > 0


def test_rows_that_stand_in_bring_their_weights() -> None:
    train = Rows(torch.zeros(40, 1), torch.arange(40) % 2, weights=torch.arange(40.0).double() + 1)
    valid = Rows(torch.zeros(40, 1), torch.zeros(40, dtype=torch.int64), weights=train.weights)
    filled, _ = stand_in(train, valid, ("a", "b"))
    assert len(filled) == len(filled.weights) > 40


@pytest.mark.parametrize("classes", [True, False], ids=["classes", "numbers"])
def test_a_weight_is_as_many_rows_in_metrics_and_in_the_gate(classes: bool) -> None:
    generator = np.random.default_rng(0)
    counts = np.array([1, 3, 2, 1, 2, 3] * 5)
    shares = generator.dirichlet([1, 1], 30)
    actual = generator.integers(0, 2, 30) if classes else generator.normal(5, 1, 30)

    def predictions(noise: float, at: Any = slice(None), **more: Any) -> Predictions:
        if classes:
            p = (shares + noise) / (1 + 2 * noise)
            return Predictions(actual[at], p.argmax(axis=1)[at], p[at], **more)
        return Predictions(actual[at], (actual + shares[:, 0] + noise)[at], **more)

    many = np.repeat(np.arange(30), counts)
    weights = counts * 0.1
    found, expected = measure(predictions(0, weights=weights)), measure(predictions(0, many))
    assert found == pytest.approx(expected)
    metric = "log_loss" if classes else "rmse"
    weighted = predictions(0, weights=weights), predictions(0.5, weights=weights)
    gain = paired_gain(*weighted, metric=metric, n_resamples=100, confidence=0.9, seed=0)
    twice = predictions(0, many), predictions(0.5, many)
    losses = [one.row_losses(metric).mean() for one in twice]
    assert gain.mean == pytest.approx(losses[0] - losses[1])
    assert metric_value(weighted[0], metric) == pytest.approx(metric_value(twice[0], metric))
    assert weighted[0].take(np.arange(3)).multiples.mean() == pytest.approx(1)


def test_a_weight_is_as_many_rows_in_temperature_and_threshold() -> None:
    generator = np.random.default_rng(0)
    logits = 3 * generator.normal(size=(300, 2))
    actual = (softmax(logits / 3)[:, 1] > generator.random(300)).astype(int)
    counts = np.where(actual == 1, 4, 1)
    weights, many = counts / counts.mean(), np.repeat(np.arange(300), counts)
    expected = fit_temperature(logits[many], actual[many])
    assert fit_temperature(logits, actual, weights) == pytest.approx(expected, rel=1e-6)
    assert fit_temperature(logits, actual) != pytest.approx(expected, rel=0.01)
    equal = calibrate(logits, actual, np.ones(300))
    assert dataclasses.astuple(equal) == pytest.approx(
        dataclasses.astuple(calibrate(logits, actual))
    )
    scores = softmax(logits)[:, 1]
    for metric in ("f1", "accuracy", "balanced_accuracy", "cost"):
        section = ThresholdSection(metric=metric, false_positive=3.0)
        found = choose_threshold(scores, actual == 1, section, weights)
        assert found == choose_threshold(scores[many], actual[many] == 1, section)
    section = EvaluateSection(threshold=ThresholdSection(metric="accuracy"))
    decision, _ = fit_decision(logits, actual, ("a", "b"), section, weights)
    plain, _ = fit_decision(logits, actual, ("a", "b"), section)
    assert decision.threshold < plain.threshold


def test_regions_cover_a_share_of_the_weights() -> None:
    generator, covered = np.random.default_rng(0), []
    for _ in range(300):
        is_dear = generator.random(400) < 0.3
        scores = np.abs(generator.normal(size=400)) * np.where(is_dear, 3, 1)
        weights = np.where(is_dear, 7.0, 1.0)  # three quarters of all
        fitted = fit_conformal(scores[:200], 0.9, weights[:200])
        inside = scores[200:] <= fitted.score
        plain = scores[200:] <= fit_conformal(scores[:200], 0.9).score
        covered.append([np.average(found, weights=weights[200:]) for found in (inside, plain)])
    assert np.mean(covered, axis=0)[0] == pytest.approx(0.905, abs=0.01)
    assert np.mean(covered, axis=0)[1] < 0.85
    ones = np.ones(len(scores))
    assert fit_conformal(scores, 0.9, ones) == fit_conformal(scores, 0.9)
    places, groups = is_dear.astype(int), Groups("dear", ("no", "yes"), first=0)
    weighed, alike = (fitted.grouped(groups, scores, places, w).groups for w in (weights, None))
    assert weighed == alike  # in each group all weights are equal


def table(**columns: Any) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": generator.normal(size=200),
            "row weight": generator.uniform(0.5, 2, 200),
            "city": generator.choice(["Ulm", "Bonn"], 200),
            "target": generator.choice(["no", "yes"], 200),
            **columns,
        }
    )


def validated(tmp_path: Path, frame: pd.DataFrame, weights: str, bad: str = "fail") -> Workspace:
    workspace = Workspace(tmp_path)
    about = {"kind": "table", "source": "files", "target": "target", "task": "binary"}
    more = {"split_column": None, "origin": {}, "weights": weights}
    with replace_folder(workspace.raw, {**about, **more}) as folder:
        write_table(folder / "table.parquet", frame)
    write_schema(tmp_path / "schema.yaml", infer_schema(table(), "target", "binary"))
    validate_raw(workspace, ValidateSection(on_bad_rows=bad), Path("schema.yaml"))
    return workspace


def test_weights_come_through_and_are_no_feature(tmp_path: Path) -> None:
    workspace = validated(tmp_path, table(), "row weight")
    manifest = scale(workspace, ScaleSection(), seed=0)
    assert not [name for name in manifest["features"] if "weight" in name]
    preprocessor = Preprocessor.from_json(read_json(workspace.preprocessor / "preprocessor.json"))
    assert preprocessor.input_columns == ["age", "city"]
    frame = table()
    for split in ("train", "valid", "test"):
        position = np.load(workspace.scaled / f"{split}_row.npy")
        found = load_rows(workspace.scaled, split).weights
        assert found.tolist() == frame["row weight"].iloc[position].tolist()
    assert read_manifest(workspace.validated)["weights"] == "row weight"


def test_weights_that_are_missing_or_not_positive_are_bad_rows(tmp_path: Path) -> None:
    weights = table()["row weight"].to_numpy(copy=True)
    weights[3], weights[5] = 0.0, -1.0
    with pytest.raises(DataError, match=r"2 rows that break `not missing\(`row weight`\)"):
        validated(tmp_path, table(**{"row weight": weights}), "row weight")
    workspace = validated(tmp_path, table(**{"row weight": weights}), "row weight", "quarantine")
    assert read_manifest(workspace.validated)["n_quarantined"] == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [("row_weight", "did you mean 'row weight'"), ("city", "'city' is a category")],
)
def test_a_column_that_holds_no_weights_is_said(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"fetch\.weights: .*{message}"):
        validated(tmp_path, table(), name)


@pytest.mark.parametrize(
    "train",
    [
        {"sampling": "balanced"},
        {"augment": ["flip"]},
        {"transfer": {"from": "x"}},
        {"early_stopping": {"metric": "auc"}},
    ],
    ids=["sampling", "augment", "transfer", "metric"],
)
def test_what_weights_do_not_reach_is_refused(train: dict[str, Any]) -> None:
    fetch = {"source": "files", "weights": "w", "task": "binary"}
    params, _ = parse_params({"project": "p", "fetch": fetch, "train": train})
    told = str(combination_problems(params))
    assert re.search(rf"train\.{next(iter(train))}.*rows have weights", told)
