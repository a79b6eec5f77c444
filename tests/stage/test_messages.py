"""What a user reads of a failure holds no credential, nor does the traceback that is kept."""

import errno
import json
import sys
from pathlib import Path

import pytest

from layerline.artifacts import Workspace, write_json
from layerline.errors import SourceError
from layerline.masking import mask_output
from layerline.stage.messages import STAGES_FILE, report_defect, report_failure


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_the_traceback_of_a_defect_is_kept_masked(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "tr0ub4dor&3")
    (tmp_path / ".layerline").mkdir()
    mask_output()
    error = raised(RuntimeError("https://me:s3cret-7@host refused tr0ub4dor&3"))
    assert report_defect("train", error, Workspace(tmp_path)) == 1
    kept = (tmp_path / ".layerline" / "traceback-train.txt").read_text()
    told = capsys.readouterr().err
    assert "RuntimeError: https://***@host refused ***" in kept
    assert "traceback-train.txt" in told
    # The source line above shows what was raised; a stage reads such things, and never spells them.
    for text in (*kept.splitlines()[-1:], told):
        assert "s3cret" not in text
        assert "tr0ub4dor" not in text


def test_a_user_s_mistake_is_reported_masked_with_and_without_its_traceback(capsys, monkeypatch):
    error = raised(SourceError("ftp://me:s3cret@host/x.csv: there is no such file"))
    for debug in ("0", "1"):
        monkeypatch.setenv("LAYERLINE_DEBUG", debug)
        mask_output()
        assert report_failure("fetch", error) == 4
        told = capsys.readouterr().err
        assert "fetch: error: ftp://***@host/x.csv: there is no such file" in told
        assert "me:s3cret" not in told
        assert ("Traceback" in told) == (debug == "1")
    assert sys.stderr.isatty() is False


@pytest.mark.parametrize("place", ["data/raw/table.parquet", None])
def test_a_full_disk_is_no_defect(tmp_path, capsys, monkeypatch, place):
    monkeypatch.setenv(STAGES_FILE, str(tmp_path / "stages.jsonl"))
    error = OSError(errno.ENOSPC, "No space left on device", *([place] if place else []))
    assert report_defect("fetch", raised(error), Workspace(tmp_path)) == 1
    text = f"the disk is full{f' ({place})' if place else ''}; free some space and run it again"
    assert capsys.readouterr().err == f"fetch: error: {text}\n"
    record = json.loads((tmp_path / "stages.jsonl").read_text())
    assert record == {"stage": "fetch", "exit_code": 1, "message": text}


def _write_over_a_folder(root: Path) -> None:
    (root / "metrics.json").mkdir()
    write_json(root / "metrics.json", {})


def _write_below_a_file(root: Path) -> None:
    (root / "reports").touch()
    write_json(root / "reports" / "metrics.json", {})


def _write_through_a_link_to_itself(root: Path) -> None:
    (root / "reports").symlink_to("reports")
    write_json(root / "reports" / "metrics.json", {})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_write_over_a_folder, "a folder is where a file belongs ({}/metrics.json); move it away"),
        (_write_below_a_file, "a file is where a folder belongs ({}/reports); move it away"),
        (_write_through_a_link_to_itself, "({}/reports"),
    ],
)
def test_what_is_in_the_way_of_an_output_is_no_defect(tmp_path, capsys, write, message):
    with pytest.raises(OSError, match=r".") as raised_there:
        write(tmp_path)
    assert report_defect("evaluate", raised_there.value, Workspace(tmp_path)) == 4
    told = capsys.readouterr().err
    assert message.format(tmp_path) in told
    assert "and run it again" in told
    assert "defect" not in told
