"""Forks of the warm process for its owner, and for other forks."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from checkouts import ROOT
from stage.test_warm_stages import Project, cold, is_gone, wait_until, warm

from layerline.artifacts import Workspace, journals_of
from layerline.stage.run_journal import _flush_in_fork
from layerline.stage.warm_client import PLACE
from layerline.stage.warm_fork import call_warm, start_fork
from layerline.tracking.journal import Journal

__all__ = ["cold", "warm"]  # fixtures

LOOK = """
import os, sys
from pathlib import Path
print(any(name.partition(".")[0] == "layerline" for name in sys.modules), Path.cwd().name)
print(os.environ.get("GIVEN"), sys.argv, sys.stdin.readline().strip(), flush=True)
sys.stdin.read()
"""


def test_the_owner_calls_a_function_in_a_fork(warm: Project) -> None:
    assert call_warm(warm.environment, "os.path:join", "a", "b") == "a/b"
    assert call_warm(warm.environment, "platform:python_version") == sys.version.split()[0]


def test_a_call_that_fails_has_no_result(
    warm: Project, cold: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call_warm(warm.environment, "os:listdir", "missing") is None
    assert "FileNotFoundError" in capfd.readouterr().err
    assert call_warm(warm.environment, "os:_exit", "1") is None
    assert call_warm(cold.environment, "os.path:join", "a", "b") is None


def test_what_a_call_prints_is_not_its_result(
    warm: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call_warm(warm.environment, "layerline.stage.messages:print_error", "a", "b") is None
    assert capfd.readouterr() == ("", "a: b\n")


@pytest.fixture
def looking(warm: Project, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "look.py").write_text(LOOK)
    return {"script": str(tmp_path / "look.py"), "folder": str(tmp_path), "without": "layerline"}


def test_a_fork_without_this_package(
    warm: Project, looking: dict[str, str], tmp_path: Path
) -> None:
    fork = start_fork(warm.environment | {"GIVEN": "variable"}, looking)
    assert fork is not None
    with fork:
        fork.stdin.write(b"asked\n")
        assert fork.stdout.readline().decode() == f"False {tmp_path.name}\n"
        expected = f"variable {[looking['script']]} asked\n"
        assert fork.stdout.readline().decode() == expected
        fork.stdin.close()
        assert fork.wait() == 0


def test_a_fork_of_a_stage_ends_with_it(warm: Project, looking: dict[str, str]) -> None:
    order = (
        "from layerline.stage.warm_fork import start_fork; "
        f"fork = start_fork(os.environ, {looking!r}); fork.stdin.write(b'x\\n'); "
        "print(fork.stdout.readline().decode(), os.getpid(), flush=True); time.sleep(600)"
    )
    process = warm.start(order)
    assert process.stdout is not None
    assert process.stdout.readline() == "scale: fork True\n"
    assert process.stdout.readline().startswith("False ")
    work = psutil.Process(int(process.stdout.readline()))
    server = work.parent()
    assert server is not None
    forks = server.children()
    assert len(forks) == 2
    process.kill()
    process.communicate()
    wait_until(lambda: all(map(is_gone, forks)))


def test_another_process_may_run_nothing_but_its_stage(warm: Project) -> None:
    code = (
        "import os\nfrom layerline.stage.warm_fork import call_warm\n"
        "print(call_warm(os.environ, 'os.path:join', 'a', 'b'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=warm.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"


def test_a_failed_stage_flushes_in_a_fork(
    warm: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Workspace(tmp_path / "home")
    about = {"key": "key-1", "stage": "fetch", "experiment": "digits-data", "run_name": "fetch"}
    Journal.create(journals_of(home.home), **about).end("FAILED")
    assert not _flush_in_fork(home, is_reported=False)
    monkeypatch.setenv(PLACE, warm.environment[PLACE])
    monkeypatch.setattr("layerline.stage.run_journal.FLUSH_SECONDS", 600)  # it imports MLflow
    assert _flush_in_fork(home, is_reported=False)
    assert len(list(journals_of(home.home).glob("*.done"))) == 1


def test_a_fork_that_takes_too_long_is_ended(warm: Project, looking: dict[str, str]) -> None:
    fork = start_fork(warm.environment, looking)
    assert fork is not None
    with fork:
        assert fork.wait(0.2) is None
        assert fork.wait() is None
