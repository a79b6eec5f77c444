"""A small project on which `dvc repro` has run, copies of it to damage, and what must hold after.

The template is made once: a table of 240 rows, a network of eight units. Three settings are known
by the hashes of what they train: `past` and `present` are versions 1 and 2 in the template's
registry, and `next` was trained in a copy that is gone, so that nothing of it can be restored.
"""

import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import arrivals
import psutil
from checkouts import Checkout
from faults.surrounded import Surroundings
from faults.warm import HANGS_SECONDS, WarmProcess

SETTINGS = {"past": 0.005, "present": 0.01, "next": 0.02}  # learning rates
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
_outputs = itertools.count()


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
    setting: str = "present"
    undo: Callable[[], None] = lambda: None
    is_owned: bool = False


class BrokenPromiseError(AssertionError):
    """What was promised, and what happened."""


def require(holds: bool, promise: str, evidence: object = "") -> None:
    """Raise unless the promise holds."""
    if not holds:
        raise BrokenPromiseError(f"{promise}\n{str(evidence)[-6000:]}")


@dataclass(frozen=True)
class Running:
    """A command that was started; its output, both streams, goes to a file."""

    process: "WarmProcess | subprocess.Popen[bytes]"
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def ends_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def outcome(self) -> Outcome:
        """Wait for the end; a hang is a broken promise."""
        is_over = self.ends_within(HANGS_SECONDS)
        if not is_over:
            self.process.kill()
        output = self.output.read_text(errors="replace")
        require(is_over, "nothing hangs", output)
        return Outcome(self.process.wait(60), output)


@dataclass(frozen=True)
class Bench:
    """One project, the hashes that its settings must come to, and the way to warm processes."""

    checkout: Checkout
    warm: Path
    hashes: dict[str, str] = field(hash=False)
    seconds: dict[str, float] = field(hash=False)  # that a warm stage or command takes

    @property
    def root(self) -> Path:
        return self.checkout.root

    def start(
        self,
        *command: str,
        around: Surroundings | None = None,
        is_cold: bool = False,
        **environment: str,
    ) -> Running:
        """Start a command: a stage or `layerline` in a warm process, unless asked otherwise."""
        output = self.root.with_name(f"output-{os.getpid()}-{next(_outputs)}")
        output.touch()
        output.chmod(0o666)
        whole = self.checkout.environment | environment
        if command[0] in ("python", "layerline") and not is_cold:
            request = {
                "arguments": command,
                "folder": str(self.root),
                "environment": whole,
                "output": str(output),
                "surroundings": around or {},
            }
            return Running(WarmProcess(self.warm, request), output)
        with output.open("ab") as file:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=whole,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        return Running(process, output)

    def run(
        self,
        *command: str,
        around: Surroundings | None = None,
        is_cold: bool = False,
        **environment: str,
    ) -> Outcome:
        """Run a command to its end."""
        running = self.start(*command, around=around, is_cold=is_cold, **environment)
        found = running.outcome()
        running.output.unlink()
        return found

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
        with closing(sqlite3.connect(self.root / "mlflow.db", timeout=60)) as database:
            rows = database.execute(
                "SELECT count(*) FROM registered_model_aliases WHERE alias = 'champion'"
            )
            return int(next(rows)[0])

    def _champion_folder(self) -> str:
        with closing(sqlite3.connect(self.root / "mlflow.db", timeout=60)) as database:
            rows = database.execute(
                "SELECT v.storage_location FROM model_versions v JOIN registered_model_aliases a"
                " ON a.name = v.name AND a.version = v.version WHERE a.alias = 'champion'"
            )
            place = str(next(rows)[0]).removeprefix("file://")
        return str(Path(place).relative_to(self.root))

    def require_recovery(self, setting: str = "present") -> None:
        """One `dvc repro` more: the same bytes, one champion, each event once."""
        done = self.run("dvc", "repro")
        require_no_defect(done)
        require(done.code == 0, "one `dvc repro` mends it", done.output)
        require(self.trained() == self.hashes[setting], "the bytes are the same", done.output)
        require(self.n_champions() == 1, "there is exactly one champion")
        self.require_arrivals()

    def require_arrivals(self) -> None:
        """Each event of each journal is in the store exactly once."""
        self.wait_for_followers()
        flushed = self.run("layerline", "flush")
        require_no_defect(flushed)
        require(flushed.code == 0, "what waits can be sent", flushed.output)
        arrivals.check_arrivals(self.root, f"sqlite:///{self.root}/mlflow.db")

    def wait_for_followers(self) -> None:
        """Until nobody writes to the store any more."""
        until = time.monotonic() + HANGS_SECONDS
        while (left := list(self.processes())) and time.monotonic() < until:
            for process in left:  # they are nice to a training: on a busy machine, for minutes
                with contextlib.suppress(psutil.Error):
                    process.nice(os.getpriority(os.PRIO_PROCESS, 0))
            time.sleep(0.2)

    def processes(self) -> Iterator[psutil.Process]:
        """What runs in the project's folder."""
        for process in psutil.process_iter(["cwd"]):
            inside = (process.info["cwd"] or "").startswith(str(self.root))
            if process.pid != os.getpid() and inside:
                yield process

    def stop_all(self) -> None:
        """End what a fault left running in the copy, by pid."""
        for process in self.processes():
            process.send_signal(signal.SIGKILL)

    def files(self, pattern: str) -> list[Path]:
        """Files by pattern, in order; CHAMPION stands for the folder of its version."""
        if pattern.startswith("CHAMPION"):
            pattern = pattern.replace("CHAMPION", self._champion_folder())
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


def require_clear_end(done: Outcome, *, may_pass: bool, is_machine: bool = False) -> None:
    """A message and an exit code of the contract; success only where it may be.

    What the machine lacks ends with 1, and a message that does not call it a defect.
    """
    require_no_defect(done)
    known = done.code in USER_CODES or done.code == SEEN_BY_DVC or (is_machine and done.code == 1)
    require(known, f"an exit code of the contract, not {done.code}", done.output)
    if done.code:
        require("error" in done.output.lower(), "a failure has a message", done.output)
    else:
        require(may_pass, "damage is noticed", done.output)


def copy_bench(template: Bench, folder: Path) -> Bench:
    """A copy that shares nothing with its template."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(template.root), str(folder)], check=True)
    old, new = str(template.root), str(folder)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        for table, column in _PATHS:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, new))
        database.commit()
    return Bench(Checkout(folder), template.warm, template.hashes, template.seconds)


def remove_bench(bench: Bench) -> None:
    bench.stop_all()
    shutil.rmtree(bench.root.parent, ignore_errors=True)
