"""What a user reads of a failure holds no credential, nor does the traceback that is kept."""

import sys

from layerline.artifacts import Workspace
from layerline.errors import SourceError
from layerline.masking import mask_output
from layerline.stage.messages import report_defect, report_failure


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


def test_a_user_s_mistake_is_told_masked_with_and_without_its_traceback(capsys, monkeypatch):
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
