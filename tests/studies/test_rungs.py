"""Whole short trainings before the full one: what the pruner sees, what is counted and kept."""

import json
import statistics

import pytest
from click.testing import CliRunner

from layerline.artifacts import sha256_of
from layerline.cli import main
from layerline.config import load_params
from layerline.studies.search import run_search
from layerline.studies.search_report import read_result
from layerline.studies.study_setup import read_search
from layerline.studies.trial_slots import EPOCHS_TRAINED, SLOT, done_trials
from layerline.training.train import train

EPOCHS, RUNGS = 6, [1, 3]
STUDY = f"""\
space:
  train.options.hidden: [[8], [16], [8, 8]]
  train.optimizer.learning_rate: {{low: 0.001, high: 0.1, log: true}}
trials: 9
rungs: {RUNGS}
pruner: {{name: median, startup: 2, warmup: 0}}
"""


@pytest.fixture
def home(study_home, monkeypatch):
    (study_home.root / "s.yaml").write_text(STUDY)
    monkeypatch.setenv("LAYERLINE_TRACKING", "off")
    return study_home


def run(home, name="s.yaml", trials=None, is_new=False):
    """The search, its study, and the trials that are done."""
    search = read_search(home, name, trials)
    study = search.open(None, is_new)
    run_search(search, study)
    return search, study, done_trials(study)


def test_trials_worse_than_the_median_of_whole_short_trainings_are_pruned(home):
    search, study, planned = run(home)
    found = read_result(search, study).to_json()
    assert found["done"] + found["pruned"] == len(planned) == 9
    assert found["pruned"] > 0
    for trial in planned:
        full = [t for t in planned if t.state.name == "COMPLETE" and t.number < trial.number]
        steps = sorted(trial.intermediate_values)
        assert steps == RUNGS[: len(steps)]
        ended = [
            step
            for step in steps
            if len(full) >= 2
            and min(trial.intermediate_values[s] for s in steps if s <= step)
            > statistics.median(t.intermediate_values[step] for t in full)
        ]
        if trial.state.name == "PRUNED":
            assert ended == [steps[-1]] == [trial.user_attrs["pruned_at"]]
            assert trial.user_attrs[EPOCHS_TRAINED] == sum(steps)
        else:
            assert (ended, steps) == ([], RUNGS)
            assert trial.user_attrs[EPOCHS_TRAINED] == sum(RUNGS) + EPOCHS
    assert found[EPOCHS_TRAINED] == sum(t.user_attrs[EPOCHS_TRAINED] for t in planned)


def test_a_rung_is_a_training_of_its_own_and_leaves_nothing_in_the_last(home):
    _, _, planned = run(home)
    applied = CliRunner().invoke(main, ["study", "run", "s.yaml", "--apply", "--json"])
    found = json.loads(applied.stdout)["best"]
    (best,) = (trial for trial in planned if trial.user_attrs[SLOT] == found["trial"])
    text, curve = home.params.read_text(), {}
    train(home, load_params(home.params), lambda record: None)
    assert sha256_of(home.network / "network.safetensors") == found["network_sha256"]
    for n_epochs in RUNGS:
        home.params.write_text(text.replace(f"epochs: {EPOCHS}", f"epochs: {n_epochs}"))
        (home.root / "one.yaml").write_text("space: {train.batch_size: [16]}")
        _, _, (alone,) = run(home, "one.yaml", trials=1, is_new=True)
        curve[n_epochs] = alone.value
    assert best.intermediate_values == curve
    assert found["value"] < curve[1]


def test_a_study_with_rungs_goes_on_and_equals_one_that_was_never_stopped(home):
    def outcomes(trials):
        return [(t.state, t.values, t.intermediate_values, t.params) for t in trials]

    run(home, trials=5)
    _, _, stopped = run(home)
    _, _, whole = run(home, is_new=True)
    assert outcomes(stopped) == outcomes(whole)


def test_rungs_that_are_no_shorter_than_a_trial_are_left_out(home):
    methods = "sampler: grid\nrungs: [1, 3]\npruner: {name: median, startup: 2, warmup: 0}"
    (home.root / "s.yaml").write_text(f"space: {{train.epochs: [2, 4]}}\n{methods}")
    _, _, planned = run(home)
    lengths = {t.params["train.epochs"]: sorted(t.intermediate_values) for t in planned}
    assert lengths == {2: [1], 4: [1, 3]}


def test_a_trial_is_one_run_with_the_curves_of_its_rungs_beside_its_own(home, monkeypatch):
    monkeypatch.setenv("LAYERLINE_TRACKING", "on")
    run(home, trials=1)
    (path,) = home.journals.glob("*-trial-*.jsonl")
    points = {}
    for line in path.read_text().splitlines():
        event = json.loads(line)
        for name, value in event.get("metrics", {}).items():
            points.setdefault(name, {})[event["step"]] = value
    assert list(points["valid_loss"]) == list(range(1, EPOCHS + 1))
    assert list(points["rung_3/valid_loss"]) == [1, 2, 3]
    assert list(points["rung_1/train_loss"]) == [1]
    whole = points["rungs/valid.log_loss"]
    assert list(whole) == [*RUNGS, EPOCHS]
    assert whole[EPOCHS] == points["valid.log_loss"][0]
