"""A small project on which `dvc repro` has run, copies of it to damage, and what must hold after.

The template is made once for each base folder: a table of 240 rows, a network of eight units. Two
settings are known by the hashes of what they train, so that a copy can be on its way from one to
the other when something befalls it.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import arrivals
import psutil
from checkouts import Checkout, make_checkout

SETTINGS = {"first": 0.01, "second": 0.02}  # learning rates
RESULTS = ("data/raw", "data/validated", "data/scaled", "models/preprocessor", "models/network")
SEEN_BY_DVC = 255  # what DVC ends with when a stage failed
# The contract's exit codes, without 1: that is a defect.
USER_CODES = frozenset({0, 2, 3, 4, 5, 6, 7, 8})
# Absolute paths in MLflow's store, which a copy must not share with its template.
_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    output: str


@dataclass(frozen=True)
class Injected:
    """A fault that was injected.

    Attributes:
        about: what befell what.
        setting: what the project must come to afterwards.
        undo: takes the damage back.
        is_owned: nobody but the user can mend it, so that it is undone before the recovery.
    """

    about: str
    setting: str = "first"
    undo: Callable[[], None] = lambda: None
    is_owned: bool = False


class BrokenPromiseError(AssertionError):
    """What was promised, and what happened."""


def require(holds: bool, promise: str, evidence: object = "") -> None:
    """Raise unless the promise holds."""
    if not holds:
        raise BrokenPromiseError(f"{promise}\n{str(evidence)[-3000:]}")


@dataclass(frozen=True)
class Bench:
    """One project, and the hashes that its settings must come to."""

    checkout: Checkout
    hashes: dict[str, str] = field(hash=False)

    @property
    def root(self) -> Path:
        return self.checkout.root

    def run(self, *command: str, seconds: float = 120.0, **environment: str) -> Outcome:
        """Run a command to its end; a hang is a broken promise."""
        process = self.start(*command, **environment)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise BrokenPromiseError(f"{command} hangs\n{output[-2000:]}") from None
        return Outcome(process.returncode, output)

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command; its output, both streams, waits in a pipe."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.checkout.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def stage(self, name: str, **environment: str) -> Outcome:
        """Run one stage's script."""
        return self.run(sys.executable, f"pipeline/{name}.py", **environment)

    def command(self, *arguments: str, **environment: str) -> Outcome:
        """Run `layerline ...`."""
        return self.run("layerline", *arguments, **environment)

    def choose(self, setting: str) -> None:
        """Write a setting into params.yaml."""
        optimizer = {"name": "adamw", "learning_rate": SETTINGS[setting]}
        self.checkout.edit_params(train__optimizer=optimizer)

    def trained(self) -> str:
        """One hash of all that the stages up to train wrote."""
        whole = hashlib.sha256()
        for place in RESULTS:
            for path in sorted((self.root / place).rglob("*")):
                if path.is_file():
                    whole.update(str(path.relative_to(self.root)).encode())
                    whole.update(path.read_bytes())
        return whole.hexdigest()

    def n_champions(self) -> int:
        """How many versions bear the alias `champion`."""
        with closing(sqlite3.connect(self.root / "mlflow.db", timeout=30)) as database:
            rows = database.execute(
                "SELECT count(*) FROM registered_model_aliases WHERE alias = 'champion'"
            )
            return int(next(rows)[0])

    def require_recovery(self, setting: str = "first") -> None:
        """One `dvc repro` more: the same bytes, one champion, each event once."""
        done = self.run("dvc", "repro")
        require_no_defect(done)
        require(done.code == 0, "one `dvc repro` mends it", done.output)
        require(self.trained() == self.hashes[setting], "the bytes are the same", done.output)
        require(self.n_champions() == 1, "there is exactly one champion")
        self.require_arrivals()

    def require_arrivals(self) -> None:
        """Each event of each journal is in the store exactly once."""
        flushed = self.command("flush")
        require_no_defect(flushed)
        require(flushed.code == 0, "what waits can be sent", flushed.output)
        arrivals.check_arrivals(self.root, f"sqlite:///{self.root}/mlflow.db")

    def files(self, pattern: str) -> list[Path]:
        """Files by pattern, in order."""
        return sorted(p for p in self.root.glob(pattern) if p.is_file() and not p.is_symlink())

    def pick_file(self, rng: Random, pattern: str) -> Path:
        """One of the files by pattern."""
        found = self.files(pattern)
        require(bool(found), f"the bench has {pattern}")
        return rng.choice(found)


def require_no_defect(done: Outcome) -> None:
    """No traceback, and nothing that the project itself calls a defect."""
    require("Traceback (most recent call last)" not in done.output, "no traceback", done.output)
    require("a defect in Layerline" not in done.output, "not called a defect", done.output)


def require_clear_end(done: Outcome, *, may_pass: bool) -> None:
    """A message and an exit code of the contract; success only where it may be."""
    require_no_defect(done)
    known = done.code in USER_CODES or done.code == SEEN_BY_DVC
    require(known, f"an exit code of the contract, not {done.code}", done.output)
    if done.code:
        require("error" in done.output.lower(), "a failure has a message", done.output)
    else:
        require(may_pass, "damage is noticed", done.output)


def make_template(folder: Path) -> Bench:
    """The project after `dvc repro` with the first setting; both settings' hashes."""
    checkout = make_checkout(folder)
    rows = Random(0)
    lines = ["size,age,kind,price"]
    for _ in range(240):
        size, age, kind = rows.gauss(100, 20), rows.randrange(60), rows.choice("abc")
        price = size * 3 - age + 20 * "abc".index(kind) + rows.gauss(0, 5)
        lines.append(f"{size:.2f},{age},{kind},{price:.2f}")
    (folder / "houses.csv").write_text("\n".join(lines) + "\n")
    checkout.run("layerline", "init", "houses.csv", "--target", "price")
    checkout.edit_params(
        train__epochs=6,
        train__options={"hidden": [8]},
        train__early_stopping=None,
        evaluate__bootstrap=50,
    )
    bench = Bench(checkout, {})
    other = Bench(Checkout(folder.with_name(f"{folder.name}-second")), {})
    subprocess.run(["cp", "-a", str(folder), str(other.root)], check=True)
    for setting, project in (("first", bench), ("second", other)):
        project.choose(setting)
        done = project.run("dvc", "repro", seconds=300)
        require(done.code == 0, "the bench itself works", done.output)
        bench.hashes[setting] = project.trained()
    _wait_for_followers(bench)
    stop_followers(other)
    shutil.rmtree(other.root)
    return bench


def _wait_for_followers(bench: Bench) -> None:
    """What was recorded is in the store, and nobody writes to it: a copy is whole."""
    bench.require_arrivals()
    until = time.monotonic() + 60
    while any(_processes(bench)) and time.monotonic() < until:
        time.sleep(0.1)


def _processes(bench: Bench) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cwd"]):
        inside = (process.info["cwd"] or "").startswith(str(bench.root))
        if process.pid != os.getpid() and inside:
            yield process


def copy_bench(template: Bench, folder: Path) -> Bench:
    """A copy that shares nothing with its template."""
    subprocess.run(["cp", "-a", str(template.root), str(folder)], check=True)
    old, new = str(template.root), str(folder)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        for table, column in _PATHS:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, new))
        database.commit()
    return Bench(Checkout(folder), template.hashes)


def stop_followers(bench: Bench) -> None:
    """End what a fault left running in the copy, by pid."""
    for process in _processes(bench):
        process.kill()
