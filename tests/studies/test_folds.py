"""Trials as the mean over folds: each row held out once, values averaged, bad trials pruned."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from study_params import PARAMS

from layerline.artifacts import read_manifest, replace_folder
from layerline.cli import main
from layerline.studies.fold_data import write_fold
from layerline.studies.study_setup import read_search
from layerline.studies.trial_slots import done_trials

STUDY = """\
space:
  train.options.hidden: [[8], [16], [8, 8]]
  train.optimizer.learning_rate: {low: 0.001, high: 0.1, log: true}
trials: 6
folds: 4
"""


@pytest.fixture
def home(study_home, monkeypatch):
    (study_home.root / "s.yaml").write_text(STUDY)
    monkeypatch.setenv("LAYERLINE_TRACKING", "off")
    return study_home


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["study", "run", *arguments])
    assert result.exit_code == code, result.output
    return result


def deal(home, folder, n_folds=4):
    for number in range(n_folds):
        write_fold(home.scaled, folder / str(number), n_folds=n_folds, number=number, seed=3)
        yield folder / str(number)


def rows_of(folder, split):
    x, y = (np.load(folder / f"{split}_{kind}.npy") for kind in "xy")
    return [(row.tobytes(), int(label)) for row, label in zip(x, y, strict=True)]


def test_every_row_is_held_out_once_and_taught_elsewhere(home, tmp_path):
    everything = sorted(rows_of(home.scaled, "train") + rows_of(home.scaled, "valid"))
    held_out = []
    for folder in deal(home, tmp_path / "folds"):
        train, valid = rows_of(folder, "train"), rows_of(folder, "valid")
        assert sorted(train + valid) == everything
        held_out += valid
        sizes = {"train": len(train), "valid": len(valid)}
        assert read_manifest(folder)["n_rows"] == sizes
        assert not (folder / "test_x.npy").exists()
    assert sorted(held_out) == everything


def test_equal_rows_and_groups_stay_on_one_side(home, tmp_path):
    manifest = read_manifest(home.scaled)
    about = {key: value for key, value in manifest.items() if key not in ("files", "format")}
    arrays = {name: np.load(home.scaled / name) for name in manifest["files"]}
    with replace_folder(home.scaled, about) as folder:
        for name, values in arrays.items():
            np.save(folder / name, values)
        for split in ("train", "valid", "test"):
            groups = np.arange(len(arrays[f"{split}_y.npy"])) // 10
            np.save(folder / f"{split}_group.npy", groups.astype(np.uint64))
    for folder in deal(home, tmp_path / "folds"):
        groups = [set(np.load(folder / f"{split}_group.npy")) for split in ("train", "valid")]
        assert not groups[0] & groups[1]


def test_a_trial_is_the_mean_of_its_folds(home, tmp_path):
    found = json.loads(run("s.yaml", "--trials", "1", "--json").stdout)
    folders = list(deal(home, tmp_path / "folds"))
    search = read_search(home, "s.yaml", 1)
    losses, accuracies = [], []
    for folder in folders:

        def cut(scaled, target, folder=folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(folder, target_is_directory=True)

        params = search.bench.params_of(found["best"]["params"])
        metrics = search.bench.train(params, lambda record: None, cut=cut).measured.metrics
        losses.append(metrics["log_loss"])
        accuracies.append(metrics["accuracy"])
    assert len(set(losses)) == 4
    assert found["folds"] == 4
    assert found["best"]["value"] == pytest.approx(np.mean(losses), rel=1e-12)
    assert found["best"]["metrics"]["accuracy"] == pytest.approx(np.mean(accuracies), rel=1e-12)
    assert "network_sha256" not in found["best"]
    applied = run("s.yaml", "--trials", "1", "--apply").output
    assert "`dvc repro` trains a network with them" in applied


def test_wilcoxon_compares_trials_fold_by_fold(home):
    rates = "space: {train.optimizer.learning_rate: [0.02, 0.000001]}\nsampler: grid\n"
    pruner = "folds: 6\npruner: {name: wilcoxon, p: 0.2, least: 2}\n"
    (home.root / "s.yaml").write_text(rates + pruner)
    found = json.loads(run("s.yaml", "--json").stdout)
    search = read_search(home, "s.yaml")
    good, bad = done_trials(search.open(None))
    assert (found["done"], found["pruned"]) == (1, 1)
    assert sorted(good.intermediate_values) == list(range(6))
    assert sorted(bad.intermediate_values) == list(range(bad.user_attrs["pruned_at"] + 1))
    assert bad.user_attrs["pruned_at"] < 5


@pytest.mark.parametrize(
    ("study", "params", "message"),
    [
        ("seeds: 2", "", "a mean over folds or over seeds, and `seeds` is 2"),
        ("rungs: [2]\npruner: median", "", "short trainings of one seed, and `folds` is 4"),
        ("", "folds: 2", "train.folds deals the same rows to networks of one model"),
    ],
)
def test_what_deals_the_rows_twice_is_refused(home, study, params, message):
    (home.root / "s.yaml").write_text(STUDY + study)
    if params:
        home.params.write_text(PARAMS.replace("train:\n", f"train:\n  {params}\n"))
    assert message in run("s.yaml", code=2).output


def test_folds_that_know_the_targets_or_have_no_rows_are_refused(home):
    text = PARAMS.replace("scale: {}", "scale: {categorical: target}")
    home.params.write_text(text)
    assert "puts the targets of all train rows into the features" in run("s.yaml", code=2).output
    home.params.write_text(PARAMS)
    (home.root / "s.yaml").write_text(STUDY.replace("folds: 4", "folds: 90"))
    assert "folds: 90 folds need at least 90" in run("s.yaml", code=3).output
    assert not (home.reports / "studies").exists()
