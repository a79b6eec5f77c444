"""Looks at the same test rows from several checkouts that share a real store count together."""

import dataclasses
import multiprocessing

import pytest
from registered import build

from layerline.artifacts import read_json
from layerline.evaluation.looks import (
    add_looks,
    count_looks,
    hash_test_rows,
    look_names,
    note_look,
)
from layerline.registry.client import open_registry
from layerline.registry.register import register_model
from layerline.tracking.shared_looks import fetch_looks, list_looks, read_looks
from layerline.tracking.store import ensure_experiments, ensure_store

OTHER = "0123456789abcdef"


@pytest.fixture
def team(tmp_path, monkeypatch):
    """Two checkouts with the same rows, and the store of both."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'team' / 'mlflow.db'}")
    (tmp_path / "team").mkdir()
    ensure_store(tmp_path)
    return [build("classes", tmp_path / name) for name in ("first", "second")]


def listed(checkout):
    """What its registration leaves in the store, without the minutes of a training."""
    workspace = checkout.workspace
    rows = hash_test_rows(workspace)
    with open_registry(workspace.home, "testing") as client:
        experiments = ensure_experiments(workspace.home, client, ["flowers"])
        run = client.create_run(experiments["flowers"])
        list_looks(client, run.info.run_id, rows, look_names(workspace, rows))


def elsewhere(checkout):
    workspace = checkout.workspace
    return fetch_looks(workspace.home, checkout.params.project, hash_test_rows(workspace))


@pytest.mark.usefixtures("store")
def test_a_team_counts_together_and_each_model_once(team, monkeypatch):
    first, second = team
    note_look(first.workspace, network="seed 1")
    listed(first)
    second.train(epochs=1, seed=2)
    note_look(second.workspace, network="seed 2")
    facts = register_model(second.workspace, second.params, second.key, lambda line: None)
    assert facts["test_looks"] == 2
    assert [count_looks(one.workspace).count for one in team] == [1, 2]
    assert elsewhere(first) == {path.stem for path in records(second)}
    note_look(first.workspace, lambda rows: elsewhere(first), network="seed 1")
    with open_registry(first.workspace.home, "testing") as client:
        run = client.get_run(facts["run_id"])
        shown = [name for name in run.data.tags if not name.startswith("mlflow.")]
        client.delete_run(run.info.run_id)
    assert not [name for name in shown if "looks" in name and name != "layerline.test_looks"]
    assert len(elsewhere(second)) == 2
    seen = read_json(next(p for p in records(first) if "seen" in p.read_text()))
    assert seen["seen"] == "in the tracking store"

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody answers
    assert elsewhere(first) == set()
    assert count_looks(first.workspace).count == 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # its own database: nobody else's runs
    assert elsewhere(first) == set()


def records(checkout):
    return sorted(checkout.workspace.looks.glob("*/*.json"))


def _list(home, run_id, name):
    with open_registry(home, "testing") as client:
        list_looks(client, run_id, "5" * 16, [name])


def test_two_at_once_lose_nothing_and_names_that_are_none_are_left_out(team):
    home = team[0].workspace.home
    with open_registry(home, "testing") as client:
        experiment = ensure_experiments(home, client, ["flowers"])["flowers"]
        runs = [client.create_run(experiment).info.run_id for _ in range(3)]
        for _ in range(2):  # again, as after kill -9
            list_looks(client, runs[2], "5" * 16, ["../params", OTHER, "x" * 16])
    context = multiprocessing.get_context("fork")
    names = [f"{number:016x}" for number in (1, 2)]
    processes = [
        context.Process(target=_list, args=(home, run_id, name))
        for run_id, name in zip(runs[:2], names, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with open_registry(home, "testing") as client:
        assert read_looks(client, "flowers", "5" * 16) == {OTHER, *names}
        assert read_looks(client, "flowers", "6" * 16) == set()
        assert read_looks(client, "trees", "5" * 16) == set()
        many = [f"{number:016x}" for number in range(300)]
        list_looks(client, runs[0], "7" * 16, many)
        assert read_looks(client, "flowers", "7" * 16) == set(many[-200:])


def test_what_others_saw_is_added_once(team):
    workspace = team[0].workspace
    rows = hash_test_rows(workspace)
    note_look(workspace, network="n")
    for _ in range(2):
        add_looks(workspace, rows, [OTHER, *(path.stem for path in workspace.looks.glob("*/*"))])
    assert count_looks(workspace).count == 2
    assert dataclasses.asdict(count_looks(workspace))["rows"] == rows
