"""Searches of a small table, run for real: values, resuming, errors, workers that are killed."""

import contextlib
import csv
import gc
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from click.testing import CliRunner
from postgres import postgresql
from study_params import PARAMS

from layerline.artifacts import sha256_of
from layerline.cli import main
from layerline.config import read_yaml
from layerline.config.dotted_paths import with_values
from layerline.errors import BusyError, ExitCode, ParamsError
from layerline.process import module_command, module_environment
from layerline.studies.search import Helpers, run_search
from layerline.studies.search_report import read_result
from layerline.studies.study_setup import read_search
from layerline.studies.study_storage import storage_failures
from layerline.training.dataset import Rows
from layerline.training.loop import Training
from layerline.training.train import train

STUDY = """\
space:
  train.options.hidden: [[8], [16], [8, 8]]
  train.optimizer.learning_rate: {low: 0.001, high: 0.1, log: true}
trials: 5
"""


@pytest.fixture
def home(study_home, monkeypatch):
    (study_home.root / "s.yaml").write_text(STUDY)
    monkeypatch.setenv("LAYERLINE_TRACKING", "off")
    return study_home


def layerline(*arguments, code=0):
    result = CliRunner().invoke(main, ["study", *arguments])
    assert result.exit_code == code, result.output
    return result


def rows(home):
    with (home.reports / "studies" / "s" / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_best_trial_is_applied_and_its_bytes_repeated(home, obstacles):
    found = json.loads(layerline("run", "s.yaml", "--apply", "--json").stdout)
    table = rows(home)
    assert [int(row["trial"]) for row in table] == [0, 1, 2, 3, 4]
    assert found["planned"] == found["done"] == 5
    best = min(table, key=lambda row: float(row["valid.log_loss"]))
    assert found["best"]["value"] == float(best["valid.log_loss"])
    assert found["params_yaml"]["trial"] == 0
    assert found["best"]["value"] < found["params_yaml"]["value"]
    assert "# fast" in home.params.read_text()
    assert read_yaml(home.params) == with_values(read_yaml(home.params), found["best"]["params"])
    from layerline.config import load_params

    again = json.loads(layerline("run", "s.yaml", "--json").stdout)
    assert (again["done"], again["best"]) == (5, found["best"])  # --apply made no other study of it
    train(home, load_params(home.params), lambda record: None)
    repeated = sha256_of(home.network / "network.safetensors")
    assert repeated == found["best"]["network_sha256"] == best["network_sha256"]
    page = home.reports / "studies" / "s" / "study.html"
    assert "The best value so far" in page.read_text()
    assert "data:image/png" in page.read_text()
    assert obstacles(page) == []


def test_a_study_goes_on_and_equals_one_that_was_never_stopped(home):
    layerline("run", "s.yaml", "--trials", "2")
    layerline("run", "s.yaml")
    stopped = rows(home)
    layerline("run", "s.yaml", "--new")
    for row in (*stopped, *(whole := rows(home))):
        row.pop("seconds")
    assert stopped == whole


def test_a_grid_is_complete_and_a_second_run_has_nothing_to_do(home):
    (home.root / "s.yaml").write_text(
        "space: {train.epochs: [1, 2], train.options.dropout: [0.0, 0.3]}\nsampler: grid\n"
    )
    layerline("run", "s.yaml")
    found = {(row["train.epochs"], row["train.options.dropout"]) for row in rows(home)}
    assert found == {("1", "0.0"), ("1", "0.3"), ("2", "0.0"), ("2", "0.3")}
    assert len({row["network_sha256"] for row in rows(home)}) == 4
    before = rows(home)
    layerline("run", "s.yaml")
    assert rows(home) == before


def test_several_objectives_have_a_front(home):
    (home.root / "s.yaml").write_text(STUDY + "objective: [valid.accuracy, parameters]\n")
    found = json.loads(layerline("run", "s.yaml", "--json").stdout)
    assert found["direction"] == ["maximize", "minimize"]
    front = [tuple(row["value"]) for row in found["front"]]
    everyone = [(float(r["valid.accuracy"]), float(r["parameters"])) for r in rows(home)]
    for accuracy, size in front:
        assert not any(
            a >= accuracy and s <= size and (a, s) != (accuracy, size) for a, s in everyone
        )
    assert found["best"]["value"][0] == max(accuracy for accuracy, _ in everyone)


def test_seeds_are_averaged_and_bad_trials_pruned(home):
    text = STUDY.replace("trials: 5", "trials: 8") + "pruner: {name: median, startup: 2, warmup: 0}"
    (home.root / "s.yaml").write_text(text)
    layerline("run", "s.yaml")
    states = [row["state"] for row in rows(home)]
    assert states.count("pruned") > 0
    assert states[0] == "done"
    page = (home.reports / "studies" / "s" / "study.md").read_text()
    _, _, ended = page.partition("## Pruned and failed trials")
    assert ended.count("| pruned at ") == states.count("pruned")
    (home.root / "s.yaml").write_text(STUDY + "seeds: 3\n")
    layerline("run", "s.yaml", "--trials", "1", "--new")
    (averaged,) = rows(home)
    values = []
    for seed in (3, 4, 5):
        home.params.write_text(PARAMS.replace("seed: 3", f"seed: {seed}"))
        (home.root / "s.yaml").write_text(STUDY)
        layerline("run", "s.yaml", "--trials", "1", "--new")
        values.append(float(rows(home)[0]["valid.log_loss"]))
    assert float(averaged["valid.log_loss"]) == pytest.approx(sum(values) / 3, rel=1e-12)


def test_a_trial_that_fails_is_reported_and_the_others_go_on(home, caplog):
    (home.root / "s.yaml").write_text(
        "space: {train.optimizer.learning_rate: [0.02, 1.0e+30]}\nsampler: grid\n"
    )
    layerline("run", "s.yaml")
    good, bad = rows(home)
    assert (good["state"], bad["state"]) == ("done", "failed")
    assert "learning_rate" in bad["error"]
    assert caplog.records == []  # no traceback of Optuna's
    page = (home.reports / "studies" / "s" / "study.md").read_text()
    assert "| failed: train: the loss diverged" in page


def test_a_study_whose_trials_all_fail_is_no_success(home):
    (home.root / "s.yaml").write_text(
        "space: {train.optimizer.learning_rate: [1.0e+29, 1.0e+30]}\nsampler: grid\n"
    )
    refused = CliRunner().invoke(main, ["study", "run", "s.yaml"])
    assert refused.exit_code == ExitCode.DIVERGED
    assert "no trial has a value, all 2 failed; the first: train: the loss div" in refused.output
    assert [row["state"] for row in rows(home)] == ["failed", "failed"]


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("space: {train.network: [mlp, mpl]}", "'mpl' is not known; did you mean 'mlp'"),
        ("space: {train.optons.hidden: [[8]]}", "unknown key"),
        ("question: q\nvariants: {a: {}, b: {}}", "run it by `layerline study compare s`"),
        (
            "space: {train.epochs: [3]}\npruner: wilcoxon",
            "fold by fold; set `seeds: 3` or `folds: 3`",
        ),
        ("space: {train.batch_size: [8]}\nrungs: [2]", "pruner `none` ends no trial at them"),
        (
            "space: {train.batch_size: [8]}\nrungs: [2]\nseeds: 3\npruner: median",
            "short trainings of one seed, and `seeds` is 3",
        ),
        (
            "space: {train.batch_size: [8]}\nrungs: [2, 6]\npruner: {name: halving, least: 2}",
            "rungs: 6 epochs are not fewer than train.epochs, 6",
        ),
        (
            "space: {train.batch_size: [8]}\nrungs: [2, 4]\npruner: hyperband",
            "hyperband with such `least` and `factor` has the rungs [1, 3]",
        ),
        ("space: {train.epochs: [3]}\nobjective: [valid.accuracy, seconds]\npruner: median", "one"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(home, study, message):
    (home.root / "s.yaml").write_text(study)
    assert message in layerline("run", "s.yaml", code=2).output
    assert not (home.reports / "studies").exists()


def test_other_params_are_another_study(home):
    layerline("run", "s.yaml", "--trials", "1")
    home.params.write_text(PARAMS.replace("epochs: 6", "epochs: 4"))
    assert "--new starts it again" in layerline("run", "s.yaml", code=2).output
    layerline("run", "s.yaml", "--trials", "1", "--new")
    assert len(rows(home)) == 1


def test_a_study_runs_once_in_a_project(home):
    search = read_search(home, "s.yaml", 3)
    study, entered = search.open(None), threading.Event()

    def refused(trial):
        if not entered.is_set():
            entered.set()
            with pytest.raises(BusyError, match="study is running here"):
                run_search(search, study)

    run_search(search, study, on_trial=refused)
    assert entered.is_set()
    assert read_result(search, study).to_json()["done"] == 3


def test_a_helper_that_is_killed_is_started_again_and_one_that_fails_is_not(tmp_path):
    starts = tmp_path / "starts"
    first = f'echo x >> {starts}; [ "$(wc -l < {starts})" -gt 1 ] || kill -9 $$; exit 3'
    looks = []
    with Helpers(["sh", "-c", first], os.environ, 1, lambda: looks.append(1)) as helpers:
        helpers.wait(lambda: True)
    assert starts.read_text() == "x\nx\n"
    assert looks


def test_helpers_that_nobody_needs_are_ended(tmp_path):
    with Helpers(["sleep", "600"], os.environ, 2, lambda: None) as helpers:
        helpers.wait(lambda: False)
        running = list(helpers.running)
    assert [process.returncode for process in running] == [-signal.SIGTERM] * 2


def test_two_workers_and_one_find_each_trial_once(home):
    layerline("run", "s.yaml", "--workers", "2", "--trials", "6")
    assert [int(row["trial"]) for row in rows(home)] == list(range(6))
    assert {row["state"] for row in rows(home)} == {"done"}


def start_worker(home):
    command = module_command(
        "layerline.studies.search_worker", "--root", str(home.root), "--name", "s.yaml"
    )
    return subprocess.Popen(command, env=module_environment(), cwd=home.root)


def disturb(home, search, study, n_kills, on_kill=lambda n: None):
    """Run two workers; whenever a trial or two are done, kill one and start another."""
    workers, n_killed, n_seen = [start_worker(home), start_worker(home)], 0, 0
    end = time.monotonic() + 500
    while any(worker.poll() is None for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.05)
        with contextlib.suppress(*storage_failures()):
            n_done = len(read_result(search, study).rows)
            # A worker that begins while the database is away says so and ends: another begins.
            workers = [
                w if w.poll() is None or n_killed == n_kills else start_worker(home)
                for w in workers
            ]
            if n_done > n_seen and n_killed < n_kills:
                n_seen, n_killed = n_done, n_killed + 1
                victim = workers.pop(0)
                os.kill(victim.pid, signal.SIGKILL)
                victim.wait()
                workers.append(start_worker(home))
                on_kill(n_killed)
    assert n_killed == n_kills
    assert [worker.returncode for worker in workers] == [0, 0]


def long_study(home, n_trials):
    text = STUDY.replace("trials: 5", f"trials: {n_trials}").replace("low: 0.001", "low: 0.01")
    (home.root / "s.yaml").write_text(text)
    home.params.write_text(PARAMS.replace("epochs: 6", "epochs: 150"))
    return read_search(home, "s.yaml")


@pytest.mark.slow
def test_killed_workers_lose_no_trial_and_double_none(home):
    search = long_study(home, 24)
    study = search.open(None)
    disturb(home, search, study, n_kills=20)
    result = read_result(search, study)
    assert [row.number for row in result.rows] == list(range(24))
    assert {row.state for row in result.rows} == {"done"}


@pytest.mark.slow
def test_a_database_that_crashes_and_killed_workers_lose_no_trial(home, monkeypatch):
    with postgresql() as running:
        uri = running.new_database()
        monkeypatch.setenv("LAYERLINE_STUDY_STORAGE", uri)
        search = long_study(home, 14)
        study = search.open(None)

        def crash(n_killed):
            if n_killed in (2, 5):
                running.restart()

        disturb(home, search, study, n_kills=6, on_kill=crash)
        result = read_result(search, study)
        assert [row.number for row in result.rows] == list(range(14))
        assert {row.state for row in result.rows} == {"done"}
        assert uri.split("@")[0] not in layerline("run", "s.yaml").output


def test_a_storage_that_cannot_be_reached_is_reported_without_its_password(home):
    url = "postgresql://me:hunter2@127.0.0.1:1/studies"
    output = layerline("run", "s.yaml", "--storage", url, code=8).output
    assert "cannot be reached" in output
    assert "hunter2" not in output
    assert "not a storage" in layerline("run", "s.yaml", "--storage", "cupboard", code=2).output


def test_params_of_another_scale_are_scaled_once(home):
    search = read_search(home, "s.yaml")
    params = search.bench.params_of({"scale.numeric": "minmax"})
    with pytest.raises(Exception, match="data/validated"):
        search.bench.scaled(params)
    assert search.bench.scaled(search.bench.params) is home


def test_problems_name_the_path(home):
    (home.root / "s.yaml").write_text("space: {train.batch_size: [0]}")
    with pytest.raises(ParamsError, match=r"space.train.batch_size.*greater than or equal to 1"):
        read_search(home, "s.yaml")


def test_a_trial_leaves_nothing_in_memory(home):
    search = read_search(home, "s.yaml")
    gc.collect()
    gc.disable()  # in a worker it runs rarely: rows of images would fill the memory first
    try:
        search.bench.train(search.bench.params, lambda record: None)
        left = [o for o in gc.get_objects() if type(o) in (Training, Rows)]
    finally:
        gc.enable()
    assert left == []
