"""What a killed process leaves in the temporary folder, the next one removes."""

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
