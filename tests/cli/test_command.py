"""The project is found from its subfolders; failures and closed pipes end in order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from layerline.artifacts import find_workspace
from layerline.cli.command import CLOSED_PIPE, handle_errors
from layerline.errors import BusyError, DataError, SourceError

CODE = "import sys; sys.argv[0] = 'layerline'; from layerline.cli import main; main()"


def test_the_project_is_found_from_a_subfolder(tmp_path, monkeypatch):
    project = tmp_path / "mono" / "shop"
    inner = project / "data" / "raw"
    inner.mkdir(parents=True)
    (project / "params.yaml").write_text("project: shop\n")
    for folder in (project, project / "data", inner):
        monkeypatch.chdir(folder)
        assert find_workspace().root.resolve() == project
        assert find_workspace().home == project
    monkeypatch.chdir(project)
    assert find_workspace().root == Path()  # messages name files as the user sees them


def test_the_nearest_project_wins_and_none_is_taken_from_another_repository(tmp_path, monkeypatch):
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    (inner / "docs").mkdir(parents=True)
    (outer / "params.yaml").write_text("project: outer\n")
    monkeypatch.chdir(inner / "docs")
    assert find_workspace().root.resolve() == outer
    (inner / "params.yaml").write_text("project: inner\n")
    assert find_workspace().root.resolve() == inner
    (inner / "params.yaml").unlink()
    (inner / ".git").mkdir()
    assert find_workspace().root == Path()


@pytest.mark.parametrize(("error", "code"), [(DataError, 3), (SourceError, 4), (BusyError, 7)])
def test_a_failure_is_one_message_with_its_exit_code(error, code, capsys):
    @handle_errors
    def command() -> None:
        raise error("rows.csv: no rows at https://me:hunter2xyz@example.org")

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "error: rows.csv: no rows at https://***@example.org" in shown.err
    assert "Traceback" not in shown.err


def test_ctrl_c_is_no_defect(capsys):
    @handle_errors
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "layerline: interrupted\n"


@pytest.mark.parametrize("command", [["runs", "--help"], ["--help"]])
def test_a_closed_pipe_is_no_failure_of_ours(command, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.wait()
    process.stderr.close()


def test_a_command_whose_reader_has_gone_ends_as_one_that_sigpipe_ended(tmp_path):
    code = (
        "from layerline.cli.command import handle_errors\n"
        "@handle_errors\n"
        "def command():\n"
        "    for number in range(100_000): print('a row of a table', number)\n"
        "command()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "a row of a table 0\n"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == CLOSED_PIPE
    process.stderr.close()


def test_an_ascii_terminal_gets_escapes(tmp_path):
    (tmp_path / "params.yaml").write_text("project: 'ü…'\nfetch: {source: files}\n")
    done = subprocess.run(
        [sys.executable, "-c", CODE, "results"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "\\xfc\\u2026" in done.stderr
    assert "Traceback" not in done.stderr
