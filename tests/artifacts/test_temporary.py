"""What a killed process leaves in the temporary folder, the next one removes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from layerline.artifacts.temporary import temporary_folder

HOLD = """
from layerline.artifacts.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "large").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    input()
"""


def test_folders_of_killed_processes_are_removed_and_those_in_use_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        held.append((process, Path(process.stdout.readline().strip())))
    (killed, lost), (alive, used) = held
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.communicate()
    assert lost.exists()
    with temporary_folder() as folder:
        assert folder.is_dir()
        assert not lost.exists()
        assert (used / "large").exists()
    alive.communicate("\n")
    assert alive.returncode == 0
    assert list(tmp_path.iterdir()) == []


REPEAT = """
from layerline.artifacts.temporary import temporary_folder
for _ in range(150):
    with temporary_folder() as folder:
        (folder / "a").write_text("1")
"""


def test_a_folder_that_is_being_made_is_not_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-c", REPEAT]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    assert [process.communicate()[1] for process in processes] == [""] * 6
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_never_made_to_the_end_goes_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, new = tmp_path / "layerline-tmp-old", tmp_path / "layerline-tmp-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    with temporary_folder():
        assert not old.exists()
        assert new.exists()
