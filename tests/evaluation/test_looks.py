"""Looks at the test rows: one a model and its decision, counted once, in the main checkout."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from layerline.artifacts import Workspace, read_json
from layerline.evaluation.looks import MANY, Looks, count_looks, note_look


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "data" / "scaled").mkdir(parents=True)
    return with_rows(Workspace(tmp_path), [3, 1, 2])


def with_rows(workspace: Workspace, ids: list[int]) -> Workspace:
    np.save(workspace.scaled / "test_id.npy", np.array(ids, np.uint64))
    return workspace


def test_the_same_model_is_counted_once_and_another_decision_again(workspace):
    assert count_looks(workspace).count == 0
    for decision in ("d1", "d1", "d2", "d1"):
        found = note_look(workspace, network="n", decision=decision)
    assert (found.count, count_looks(workspace)) == (2, found)
    assert note_look(workspace, network="n2", decision="d1").count == 3
    (record, *_) = sorted((workspace.looks / found.rows).iterdir())
    assert set(read_json(record)) == {"network", "decision", "time"}


def test_rows_are_known_by_their_content(workspace):
    first = note_look(workspace, network="n")
    assert note_look(with_rows(workspace, [2, 3, 1, 1]), network="m").count == 2
    other = note_look(with_rows(workspace, [1, 2, 4]), network="n")
    assert (other.count, other.rows == first.rows) == (1, False)


def test_experiments_elsewhere_count_in_the_main_checkout(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    copy = Workspace(tmp_path / "temporary")
    copy.scaled.mkdir(parents=True)
    note_look(workspace, network="a")
    assert note_look(with_rows(copy, [1, 2, 3]), network="b").count == 2


def _note(root: Path, number: int) -> None:
    for model in range(number, number + 4):
        note_look(Workspace(root), network=str(model))


def test_processes_need_no_lock_and_what_a_killed_one_left_is_no_look(workspace):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_note, args=(workspace.root, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = count_looks(workspace)
    (workspace.looks / found.rows / ".0123.json.99.tmp").write_text("{")
    assert count_looks(workspace) == Looks(6, found.rows)


def test_sentence_and_warning():
    assert Looks(1, "").sentence == "These test rows have been looked at once."
    assert "looked at 7 times, each time" in Looks(7, "").sentence
    assert Looks(MANY - 1, "").warning(0.95) == ""
    assert "by luck with a chance of up to 40%" in Looks(MANY, "").warning(0.95)
    assert Looks(3, "ab").to_json(0.95) == {"count": 3, "rows": "ab", "warning": ""}
