"""A checkout of its own for a test: the files of this one, without git history and results."""

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from warm_commands import clean_environment, run_warm, warm_place

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("pipeline", "src", "recipes", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore")


@dataclass(frozen=True)
class Checkout:
    """A folder in which `dvc repro` and `layerline` can be run as a user would.

    Where it is warm, they are forks of one process that has imported what they import: for tests
    of what is made, not of how processes start, end, are killed or limited.
    """

    root: Path
    is_warm: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(self.root / "src")

    def run(self, *command: str, code: int | None = 0, **environment: str) -> str:
        """Run a command; return its output after checking its exit code (None: any)."""
        found = self.environment | environment
        done = _run_warm(self.root, command, found) if self.is_warm else None
        found_code, output = done or _run_cold(self.root, command, found)
        assert code is None or found_code == code, output
        assert "Traceback" not in output
        return output

    def stage(self, name: str, code: int = 0, **environment: str) -> str:
        return self.run(sys.executable, f"pipeline/{name}.py", code=code, **environment)

    @property
    def cold(self) -> "Checkout":
        """The same one, each command in a process of its own."""
        return Checkout(self.root)

    def python(self, text: str) -> str:
        """Run Python in a fresh process that knows the store and nothing else of the checkout."""
        store = f"sqlite:///{self.root}/mlflow.db"
        if not self.is_warm:
            return self.run(sys.executable, "-W", "ignore", "-c", text, MLFLOW_TRACKING_URI=store)
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "text.py"
            script.write_text(f"import warnings\nwarnings.simplefilter('ignore')\n{text}")
            return self.run(sys.executable, str(script), MLFLOW_TRACKING_URI=store)

    def edit_params(self, **changes: Any) -> None:
        """Set dotted keys, written with `__`: edit_params(train__epochs=3)."""
        yaml = YAML()
        path = self.root / "params.yaml"
        content = yaml.load(path)
        for dotted, value in changes.items():
            *sections, key = dotted.split("__")
            place = content
            for section in sections:
                place = place[section]
            place[key] = value
        yaml.dump(content, path)


def _run_cold(
    root: Path, command: Sequence[str], environment: Mapping[str, str]
) -> tuple[int, str]:
    done = subprocess.run(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    return done.returncode, done.stdout


def _run_warm(
    root: Path, command: Sequence[str], environment: Mapping[str, str]
) -> tuple[int, str] | None:
    """None where there is no fork for this command."""
    program, *arguments = command
    if program in ("dvc", "layerline"):
        script = Path(sys.executable).with_name(program)
    elif program == sys.executable and arguments[0].endswith(".py"):
        script = root / arguments.pop(0)
    else:
        return None
    with tempfile.TemporaryFile() as output:
        words = [str(script), *arguments]
        code = run_warm(words, root, {**environment, **warm_place()}, output)
        output.seek(0)
        return None if code is None else (code, output.read().decode())


def make_checkout(root: Path, is_warm: bool = False) -> Checkout:
    """A checkout of its own, committed, in a folder that is missing or empty."""
    shutil.copytree(_first_checkout(), root, symlinks=True, dirs_exist_ok=True)
    return Checkout(root, is_warm)


@functools.cache
def _first_checkout() -> Path:
    """Made once by each process: six commands take two seconds."""
    folder = Path(tempfile.mkdtemp(prefix="layerline-checkout-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _fill(folder / "checkout")
    return folder / "checkout"


def _fill(root: Path) -> None:
    root.mkdir()
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=skip)
        else:
            shutil.copy(source, root / part)
    shutil.copytree(ROOT / "data" / "schemas", root / "data" / "schemas")
    checkout = Checkout(root)
    for command in (
        ("git", "init", "-q"),
        ("git", "config", "user.email", "a@example.org"),
        ("git", "config", "user.name", "A"),
        ("dvc", "init", "-q"),
        ("dvc", "config", "core.analytics", "false"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "start"),
    ):
        checkout.run(*command)
