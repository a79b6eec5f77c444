"""A checkout of its own for a test: the files of this one, without git history and results."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("pipeline", "src", "recipes", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore")


@dataclass(frozen=True)
class Checkout:
    """A folder in which `dvc repro` and `layerline` can be run as a user would."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        tools = str(Path(sys.executable).parent)
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "PYTEST"))
        }
        return clean | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def run(self, *command: str, code: int | None = 0, **environment: str) -> str:
        """Run a command; return its output after checking its exit code (None: any)."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def stage(self, name: str, code: int = 0, **environment: str) -> str:
        return self.run(sys.executable, f"pipeline/{name}.py", code=code, **environment)

    def python(self, text: str) -> str:
        """Run Python in a fresh process that knows the store and nothing else of the checkout."""
        store = f"sqlite:///{self.root}/mlflow.db"
        return self.run(sys.executable, "-W", "ignore", "-c", text, MLFLOW_TRACKING_URI=store)

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


def make_checkout(root: Path) -> Checkout:
    root.mkdir(parents=True, exist_ok=True)
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
    return checkout
