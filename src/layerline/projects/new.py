"""A repository of the user's own: params.yaml, dvc.yaml, scripts, and nothing of this checkout.

Works in an empty folder, in a repository and in a folder of one; what is there already stays.
"""

import importlib.metadata
import re
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from layerline.artifacts import STAGES, write_text
from layerline.errors import ParamsError, Problem, SourceError
from layerline.projects.code_hashes import FOLDER, PREFIX, template_text
from layerline.projects.editor_files import editor_files

_CODE_STAGE = """\
  code:
    cmd: layerline code
    always_changed: true
    outs:
{outs}
"""
_HEAD = """\
# The stage `code` writes down the code of the installed Layerline that each stage depends on: an
# upgrade runs those stages again whose code changed. runs/<stage>.json names the MLflow run."""
_REQUIREMENTS = """\
# Where your index does not have it: the path or the URL of its wheel.
layerline=="""
_SCHEMA = "data/schemas/digits.yaml"
PLOTS_PAGE = "plots.html"  # in .dvc/, whose config names it
CI = ".github/workflows/layerline.yml"


def new_project(folder: Path, report: Callable[[str], None], *, has_example: bool = True) -> None:
    """Write a project into a folder, which is created where it is missing.

    Args:
        folder: of the project; may be inside a git repository, or one of several in it.
        report: shows the user one line.
        has_example: with the params and the schema of scikit-learn's digits.

    Raises:
        ParamsError: there is a project already.
        SourceError: git or DVC is missing, or refuses.
    """
    for name in ("params.yaml", "dvc.yaml"):
        if (folder / name).exists():
            message = f"{folder} has one already; choose another folder"
            raise ParamsError([Problem(name, message)], "layerline new")
    folder.mkdir(parents=True, exist_ok=True)
    top = _git_top(folder)
    if top is None:
        _run(folder, "git", "init", "--quiet")
        report(f"{folder}: a git repository")
    _start_dvc(folder, is_inside=top is not None and top != folder.resolve())
    for name, text in _files(is_top=top is None or top == folder.resolve()).items():
        if has_example or name not in ("params.yaml", _SCHEMA):
            _write(folder / name, text, report)


def _files(is_top: bool) -> dict[str, str]:
    found = {
        "params.yaml": template_text("params.yaml"),
        "dvc.yaml": dvc_text(template_text("stages.yaml")),
        _SCHEMA: template_text("digits.yaml"),
        ".gitignore": template_text("gitignore"),
        ".dvcignore": template_text("dvcignore"),
        "README.md": template_text("README.md"),
        "Makefile": template_text("Makefile"),
        "requirements.txt": _REQUIREMENTS + importlib.metadata.version("layerline") + "\n",
    }
    scripts = files("layerline.projects") / "template" / "pipeline"
    found |= {
        f"pipeline/{stage}.py": (scripts / f"{stage}.py").read_text(encoding="utf-8")
        for stage in STAGES
    }
    found |= editor_files()
    return found | ({CI: template_text("ci.yml")} if is_top else {})


def dvc_text(text: str) -> str:
    r"""Layerline's own dvc.yaml with one file of the stage `code` in place of the package's rooms.

    >>> text = dvc_text("stages:\n  fetch:\n    deps:\n      - src/layerline/tables\n")
    >>> print(text[text.index("stages:") :], end="")
    stages:
      code:
        cmd: layerline code
        always_changed: true
        outs:
          - code/fetch.txt: {cache: false}
    <BLANKLINE>
      fetch:
        deps:
          - code/fetch.txt
    """
    stages, stage, lines = [], "", []
    for line in text.splitlines():
        named = re.fullmatch(r"  (\w+):", line)
        if named:
            stage = named[1]
            stages.append(stage)
        own = f"      - {FOLDER}/{stage}.txt"
        if not line.strip().startswith(f"- {PREFIX}"):
            lines.append(line)
        elif own not in lines:
            lines.append(own)
    outs = "\n".join(f"      - {FOLDER}/{name}.txt: {{cache: false}}" for name in stages)
    start = lines.index("stages:") + 1
    return "\n".join([_HEAD, "stages:", _CODE_STAGE.format(outs=outs), *lines[start:]]) + "\n"


def _start_dvc(folder: Path, is_inside: bool) -> None:
    settings = {}
    if not (folder / ".dvc").is_dir():
        _run(folder, "dvc", "init", "--quiet", *(["--subdir"] if is_inside else []))
        settings = {"core.analytics": "false", "core.check_update": "false"}
    if "plots.html_template=" not in _run(folder, "dvc", "config", "--list"):
        # DVC's own page loads its scripts from a CDN; this one holds them.
        write_text(folder / ".dvc" / PLOTS_PAGE, template_text(PLOTS_PAGE))
        settings["plots.html_template"] = PLOTS_PAGE
    for option, value in settings.items():
        _run(folder, "dvc", "config", option, value)


def _write(path: Path, text: str, report: Callable[[str], None]) -> None:
    if path.name in (".gitignore", ".dvcignore") and path.exists():
        known = path.read_text(encoding="utf-8").splitlines()
        missing = [line for line in text.splitlines() if line not in known]
        if missing:
            write_text(path, "\n".join([*known, *missing]) + "\n")
    elif path.exists():
        report(f"{path} was there already and stays as it is")
    else:
        write_text(path, text)


def _git_top(folder: Path) -> Path | None:
    command = ["git", "rev-parse", "--show-toplevel"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SourceError("git is not installed, and DVC needs it; install git") from None
    return Path(done.stdout.strip()).resolve() if done.returncode == 0 else None


def _run(folder: Path, *command: str) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SourceError(f"{command[0]} is not installed, or not on the PATH") from None
    if done.returncode:
        message = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise SourceError(f"{' '.join(command)}: {' '.join(message)}")
    return done.stdout
