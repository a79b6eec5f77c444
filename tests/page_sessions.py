"""A page of the documentation as one session: its blocks are run in order in a project of its own.

Commands run as they stand, Python too, or becomes the file that a page says it is; YAML is merged
into params.yaml (or into the schema), and the stages that read it run. What has to be otherwise
here than on the page is in `edits`, each with its reason.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from doc_blocks import ROOT, Block, contents
from doc_readings import choices
from ruamel.yaml import YAML

SECONDS = 900
# What a block of a section makes run.
STAGES = {
    "fetch": ("fetch",),
    "validate": ("validate",),
    "scale": ("scale", "train"),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "register": ("register",),
}
ATOMS = ("options", "loss", "optimizer", "schedule", "split", "floors")  # replaced as a whole
PREAMBLE = """
short() {  # a training of seconds
  sed -i -E 's/^  (epochs): .*/  \\1: 3/; s/^  (bootstrap): .*/  \\1: 50/
    s/^  (importance_rows): .*/  \\1: 20/; s/^  (baselines): .*/  \\1: [majority]/' params.yaml
}
setting() { python -c 'import sys; sys.path.insert(0, sys.argv[1])
from page_sessions import change; change(sys.argv[2])' "$TESTS" "$1"; }
start_server() {
  "$@" --port "$PORT" > server.log 2>&1 & echo $! > server.pid
  until curl -sf "localhost:$PORT/ready" > ready.json; do
    kill -0 "$(cat server.pid)"; sleep 0.2
  done
}
stop_server() { kill "$(cat server.pid)"; }
served() {  # a server that answers some rows and ends
  start_server "$@"
  curl -sf "localhost:$PORT/predict" -H 'content-type: application/json' -d @rows.json > answers
  kill "$(cat server.pid)"; wait "$(cat server.pid)" || true
}
"""


class Edit(NamedTuple):
    """A text of a page, what stands there in the test, and why."""

    old: str
    new: str
    why: str


@dataclass(frozen=True)
class Session:
    """How the blocks of a page are run."""

    start: str = ""  # the project it begins with
    edits: tuple[Edit, ...] = ()
    # A text of a block: the commands before it, after it; the file that the block is saved as.
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    # A key of a YAML block: the commands that use it, where those of STAGES do not.
    stages: dict[str, str] = field(default_factory=dict)
    is_slow: bool = True


class Run:
    """A session in its folder."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.session, self.folder, self.used = session, folder, set[str]()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def run(self, blocks: list[Block]) -> None:
        """Run the blocks, in order."""
        base = self._read()
        for block in blocks:
            for command in self._beside(block, self.session.before):
                shell(self.folder, command, self.port)
                base = self._read()
            text = self._edited(block)
            if self._saved(block, text):
                pass
            elif block.kind == "yaml":
                for content in contents(block._replace(text=text)):
                    for path, part in choices(content):
                        self._write(base)
                        self._settings(part, path)
            elif block.kind == "python":
                (self.folder / "block.py").write_text(text, encoding="utf-8")
                shell(self.folder, "python block.py", self.port)
            else:
                shell(self.folder, text, self.port)
            for command in self._beside(block, self.session.after):
                shell(self.folder, command, self.port)
        known = {edit.old for edit in self.session.edits}
        known |= {*self.session.before, *self.session.after, *self.session.files}
        assert known == self.used, "not on the page any more"

    def _beside(self, block: Block, commands: dict[str, str]) -> Iterator[str]:
        for text, command in commands.items():
            if text in block.text:
                self.used.add(text)
                yield command

    def _edited(self, block: Block) -> str:
        text = block.text
        for edit in self.session.edits:
            if edit.old in text:
                self.used.add(edit.old)
                text = text.replace(edit.old, edit.new)
        return text

    def _settings(self, content: Any, path: tuple[str, ...]) -> None:
        for name in reversed(path):
            content = {name: content}
        (first, *_) = (key for key in content)
        file = "params.yaml"
        if "columns" in content or "checks" in content:
            params = YAML(typ="safe").load(self.folder / file)
            file, first = params["validate"]["schema"], "validate"
        merge_file(self.folder / file, content)
        keys = [key for key in self.session.stages if key in content or key in path]
        if keys:
            command = self.session.stages[keys[0]]
        else:
            names = dict.fromkeys(name for key in content for name in STAGES.get(key, (first,)))
            command = "\n".join(f"python pipeline/{name}.py" for name in names)
        shell(self.folder, command, self.port)

    def _saved(self, block: Block, text: str) -> bool:
        for part, file in self.session.files.items():
            if part in block.text:
                self.used.add(part)
                target = self.folder / file
                target.parent.mkdir(exist_ok=True)
                target.write_text(text + "\n", encoding="utf-8")
                return True
        return False

    def _read(self) -> dict[Path, str]:
        files = [*self.folder.glob("params.yaml"), *self.folder.glob("data/schemas/*.yaml")]
        return {path: path.read_text(encoding="utf-8") for path in files}

    def _write(self, texts: dict[Path, str]) -> None:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")


def shell(folder: Path, text: str, port: int = 0) -> str:
    """Run commands as a user's shell does, and stop at the first one that fails."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "PYTEST"))}
    environment = {
        **clean,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(folder.parent),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TESTS": str(ROOT / "tests"),
        "PORT": str(port),
        "SLACK_WEBHOOK": "http://127.0.0.1:9/nobody",
        "SMTP_PASSWORD": "none",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", PREAMBLE + text],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\nended with {done.returncode}:\n{done.stdout[-3000:]}"
    assert "Traceback" not in done.stdout, f"{text}\n{done.stdout[-3000:]}"
    return done.stdout


def change(text: str) -> None:
    """Merge YAML into params.yaml of the current folder."""
    merge_file(Path("params.yaml"), YAML(typ="safe").load(text))


def merge_file(path: Path, content: Any) -> None:
    """Merge settings into a YAML file."""
    yaml = YAML()
    known = yaml.load(path.read_text(encoding="utf-8"))
    merge(known, content)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(known, file)


def merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    """Merge settings, as somebody who copies them from a page does."""
    for key, value in changes.items():
        is_atom = key in ATOMS or (isinstance(value, dict) and "kind" in value)  # a schema's column
        if isinstance(value, dict) and isinstance(into.get(key), dict) and not is_atom:
            merge(into[key], value)
        else:
            into[key] = value
