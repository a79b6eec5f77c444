"""The journal of trials: whole lines, whoever writes at once, and however full the disk is."""

import errno
import os
import threading

import optuna
import pytest

from layerline.studies.study_storage import storage_of

N_VALUES = 150


def opened(folder):
    return optuna.create_study(
        storage=storage_of(folder, None), study_name="s", load_if_exists=True
    )


def test_workers_that_write_at_once_lose_no_value(tmp_path):
    studies = [opened(tmp_path) for _ in range(3)]
    trials = [study.ask() for study in studies]

    def work(trial):
        for step in range(N_VALUES):
            trial.report(step / 2, step)

    threads = [threading.Thread(target=work, args=[trial]) for trial in trials]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = opened(tmp_path).trials
    assert [trial.intermediate_values for trial in found] == [
        {step: step / 2 for step in range(N_VALUES)}
    ] * 3


def test_a_line_that_a_full_disk_cuts_short_is_taken_back(tmp_path, monkeypatch):
    study = opened(tmp_path)
    trial, journal = study.ask(), tmp_path / "trials.journal"
    before, write = journal.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda file, text: write(file, text[:7]))
    with pytest.raises(OSError, match="cut short") as caught:
        trial.report(0.5, 1)
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert journal.read_bytes() == before
    trial.report(0.25, 2)
    assert opened(tmp_path).trials[0].intermediate_values == {2: 0.25}


def test_what_a_killed_worker_had_begun_to_write_is_cut_off(tmp_path):
    opened(tmp_path).ask()
    journal = tmp_path / "trials.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"work')
    storage_of(tmp_path, None)
    assert journal.read_bytes() == whole
