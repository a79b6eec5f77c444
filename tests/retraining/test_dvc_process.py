"""What is reported when DVC itself fails: its error, not its advertisement."""

from pathlib import Path

import pytest

from layerline.errors import BusyError
from layerline.retraining.dvc_process import Dvc, RetrainError

DVC = """import sys
print("Running stage 'fetch':")
print({error!r})
print("Having any troubles? Hit us up at https://dvc.org/support, we are always happy to help!")
sys.exit(255)
"""


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        ("ERROR: unexpected error - [Errno 28] No space left", RetrainError, "the disk is full"),
        ("ERROR: unexpected error - [Errno 27] too large", RetrainError, "ulimit -f"),
        ("ERROR: failed to parse 'dvc.yaml'", RetrainError, "ended with 255: ERROR: failed to pa"),
        ("ERROR: Unable to acquire lock", BusyError, "DVC is at work in this project"),
    ],
    ids=["full disk", "too large", "invalid", "lock"],
)
def test_dvcs_own_error_is_the_message(tmp_path: Path, monkeypatch, error, kind, told) -> None:
    package = tmp_path / "dvc"
    package.mkdir()
    (package / "__main__.py").write_text(DVC.format(error=error))
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # a DVC that fails as the real one does
    with Dvc(tmp_path, lambda line: None) as dvc, pytest.raises(kind, match=told) as failed:
        dvc.repro()
    assert "troubles" not in str(failed.value)
