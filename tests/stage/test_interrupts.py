"""A stage that is interrupted before it has a journal, or cannot make one, ends in one message."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from checkouts import make_checkout

from layerline.config import Params, load_params
from layerline.stage import run_stage


def raising(error: BaseException) -> Callable[[Path], Params]:
    def load(path: Path) -> Params:
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "fetch: interrupted; earlier results are unchanged"),
        (OSError(30, "x", "a"), 1, "fetch: error: the disk is read-only (a); mount it so that it"),
        (OSError(27, "x"), 1, "fetch: error: files may not become so large here; raise the limit"),
        (OSError(13, "x", "a"), 1, "fetch: error: not permitted (a); change the permissions"),
        (MemoryError(), 1, "fetch: error: not enough memory; close other programs"),
        (RuntimeError("IO: full (os error 28)"), 1, "fetch: error: the disk is full; free some"),
    ],
)
def test_what_is_no_defect_ends_in_one_message(
    error: BaseException,
    code: int,
    message: str,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_stage("fetch", lambda stage: None, raising(error)) == code
    told = capfd.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_sigterm_before_the_journal_is_an_orderly_end(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = make_checkout(tmp_path)
    monkeypatch.chdir(checkout.root)

    def terminate(name: str, params: Params, workspace: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("layerline.stage.stage_run.open_journal", terminate)
    assert run_stage("fetch", lambda stage: None, load_params) == 143
    assert capfd.readouterr().err == "fetch: interrupted; earlier results are unchanged\n"
