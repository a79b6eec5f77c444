"""What tracking costs, and how far the UI lags behind a training.

    python benchmarks/tracking.py lag                # epochs in MLflow's store against the journal
    python benchmarks/tracking.py slowdown --pairs 4 # a training with tracking and without
    python benchmarks/tracking.py pipeline --pairs 4 # the whole digits pipeline, likewise

Trainings are of MNIST's size: 60,000 random images, an epoch takes about a second. "Without" is
LAYERLINE_TRACKING=off. CPU seconds are those of all processes that were started, the flusher
beside a training included: this process adopts what outlives its parent, and waits for it.
Tables go to stdout; keep them in benchmarks/results with the machine and the command.
"""

import argparse
import contextlib
import ctypes
import gzip
import json
import os
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from ruamel.yaml import YAML

HERE = Path(__file__).resolve().parents[1]
EPOCHS, LAG_EPOCHS = 60, 40
POLL_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36


class Cost(NamedTuple):
    """Seconds until the command ended; CPU seconds: its own, and of everything it started."""

    wall: float
    own_cpu: float
    all_cpu: float


def machine() -> str:
    """The processor and its cores, without the machine's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line for line in lines if line.startswith("model name")), "unknown processor")
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores of {model.partition(':')[2].strip()}, {memory:.0f} GiB memory"


@contextlib.contextmanager
def checkout(**params: Any) -> Iterator[Path]:
    """A copy of this checkout's files, committed, with some params set (`train__epochs=3`)."""
    with tempfile.TemporaryDirectory(prefix="layerline-bench-") as folder:
        root = Path(folder) / "checkout"
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=HERE, check=True, capture_output=True, text=True).stdout
        for name in filter(None, files.split("\0")):
            if (HERE / name).is_file():  # not what was deleted and not committed yet
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(HERE / name, root / name)
        yaml = YAML()
        content = yaml.load(root / "params.yaml")
        for dotted, value in params.items():
            *sections, key = dotted.split("__")
            place = content
            for section in sections:
                place = place[section]
            place[key] = value
        yaml.dump(content, root / "params.yaml")
        who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
        for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "bench"]):
            subprocess.run(["git", *command], cwd=root, check=True)
        # `make setup` compiles the checkout too.
        subprocess.run([sys.executable, "-m", "compileall", "-q", "src"], cwd=root, check=True)
        yield root


def environment(root: Path, tracking: bool) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean["PYTHONPATH"] = str(root / "src")
    clean["LAYERLINE_TRACKING"] = "on" if tracking else "off"
    # As in a session of a user, whose Python keeps what it compiled.
    clean.pop("PYTHONDONTWRITEBYTECODE", None)
    return clean


def spend(root: Path, command: list[str], tracking: bool) -> Cost:
    """Run a command, wait for it and for what it leaves behind, and return what that cost."""
    before, started = _cpu(), time.perf_counter()
    with (root.parent / "output.txt").open("w+") as output:
        process = subprocess.Popen(
            command, cwd=root, env=environment(root, tracking), stdout=output, stderr=output
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        if status:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{output.read()}")
    _wait_for_orphans()
    return Cost(wall, used.ru_utime + used.ru_stime, _cpu() - before)


def _wait_for_orphans() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)  # adopted: see main


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def mnist_sized(epochs: int) -> Iterator[Path]:
    """A checkout whose next stage is the training of a network on 60,000 random images."""
    with tempfile.TemporaryDirectory(prefix="layerline-bench-") as data:
        _write_images(Path(data))
        recipe = YAML().load(HERE / "recipes" / "mnist-mlp.yaml")
        changes = {name: recipe[name] for name in ("project", "fetch", "validate", "scale")}
        changes["fetch"]["options"]["root"] = data
        changes["train__epochs"] = epochs
        changes["train__batch_size"] = 256
        changes["train__early_stopping"] = None
        with checkout(**changes) as root:
            for stage in ("fetch", "validate", "scale"):
                spend(root, [sys.executable, f"pipeline/{stage}.py"], tracking=True)
            yield root


def _write_images(folder: Path) -> None:
    random = np.random.default_rng(0)
    for part, n in (("train", 60_000), ("t10k", 10_000)):
        images = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 10
        for kind, magic, array in (("images-idx3", 2051, images), ("labels-idx1", 2049, labels)):
            head = np.array([magic, *array.shape], dtype=">i4").tobytes()
            with gzip.open(folder / f"{part}-{kind}-ubyte.gz", "wb", compresslevel=1) as file:
                file.write(head + array.tobytes())


TRAIN = [sys.executable, "pipeline/train.py"]


def measure_lag() -> None:
    """Poll the store while a training runs, to see when the newest epoch shows."""
    shown: dict[int, float] = {}  # epoch -> when the store had it
    with mnist_sized(LAG_EPOCHS) as root:
        training = subprocess.Popen(TRAIN, cwd=root, env=environment(root, True))
        ended = float("inf")
        while len(shown) < LAG_EPOCHS and time.time() < ended + 30:
            for step in _epochs_in(root / "mlflow.db"):
                shown.setdefault(step, time.time())
            time.sleep(POLL_SECONDS)
            if training.poll() is not None:
                ended = min(ended, time.time())
        told = _epochs_told(root)
        _wait_for_orphans()
    lags = [shown[step] - told[step] for step in sorted(shown)]
    span = max(told.values()) - min(told.values())
    print(f"Live lag: {len(lags)} of {LAG_EPOCHS} epochs in {span:.0f} s, polled every 50 ms.\n")
    print("| epochs | median lag s | 95 % s | largest s |\n|---|---:|---:|---:|")
    for name, part in (
        ("all", lags),
        ("the first", lags[:1]),
        ("all but the first five", lags[5:]),
    ):
        row = statistics.median(part), float(np.quantile(part, 0.95)), max(part)
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True)


def _epochs_told(root: Path) -> dict[int, float]:
    """Epoch -> when the training told it, from its journal."""
    (journal,) = (root / ".layerline" / "journals").glob("*-train-*.jsonl*")
    events = (json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines())
    return {
        event["step"]: event["time_ms"] / 1000
        for event in events
        if "valid_loss" in event.get("metrics", ())
    }


def _epochs_in(database: Path) -> list[int]:
    if not database.exists():
        return []
    select = "SELECT DISTINCT step FROM metrics WHERE key = 'valid/loss'"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
            return [row[0] for row in store.execute(select)]
    except sqlite3.OperationalError:  # being written
        return []


def alternate(pairs: int, run: Callable[[bool], Cost]) -> dict[bool, list[Cost]]:
    """With and without tracking in turn, who goes first changing from pair to pair."""
    found: dict[bool, list[Cost]] = {True: [], False: []}
    for pair in range(pairs):
        for tracking in (True, False) if pair % 2 else (False, True):
            found[tracking].append(run(tracking))
            print(f"{'with' if tracking else 'without'}: {found[tracking][-1]}", file=sys.stderr)
    return found


def table(name: str, found: dict[bool, list[Cost]]) -> None:
    print(f"\n| {name} | wall s of each | wall s | CPU s of it | CPU s of all |")
    print("|---|---|---:|---:|---:|")
    for tracking in (False, True):
        costs = found[tracking]
        each = ", ".join(f"{cost.wall:.2f}" for cost in costs)
        wall, own, every = (statistics.median(part) for part in zip(*costs, strict=True))
        label = "with tracking" if tracking else "without"
        print(f"| {label}, medians | {each} | {wall:.2f} | {own:.2f} | {every:.2f} |")
    more = [
        Cost(*(a - b for a, b in zip(on, off, strict=True)))
        for on, off in zip(found[True], found[False], strict=True)
    ]
    each = ", ".join(f"{cost.wall:+.2f}" for cost in more)
    base = [statistics.median(part) for part in zip(*found[False], strict=True)]
    cells = [
        f"{statistics.median(part):+.2f} ({statistics.median(part) / whole:+.1%})"
        for part, whole in zip(zip(*more, strict=True), base, strict=True)
    ]
    print(f"| median difference of pairs | {each} | {' | '.join(cells)} |", flush=True)


def measure_slowdown(pairs: int, epochs: int, one_core: bool) -> None:
    """Train alternately with tracking (journal, flusher, system metrics) and without."""
    command = ["taskset", "-c", "0", *TRAIN] if one_core else TRAIN
    with mnist_sized(epochs) as root:
        found = alternate(pairs, lambda tracking: spend(root, command, tracking))
    cores = "all on one core" if one_core else f"{os.cpu_count()} cores"
    table(f"training of {epochs} epochs, {cores}", found)


def measure_pipeline(pairs: int, target: str) -> None:
    """Run the whole pipeline in a fresh checkout each time, alternately with and without."""

    def once(tracking: bool) -> Cost:
        with checkout() as root:
            return spend(root, ["dvc", "repro", *([target] if target else [])], tracking)

    table(f"`dvc repro {target}`".replace(" `", "`") + ", digits", alternate(pairs, once))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["lag", "slowdown", "pipeline"])
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of slowdown's trainings")
    parser.add_argument("--one-core", action="store_true", help="training and flusher share one")
    parser.add_argument("--target", default="", help="stop the pipeline after this stage")
    options = parser.parse_args()
    # Orphans of our children become our children: their CPU time is counted when they end.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    print(f"{machine()}, Python {sys.version.partition(' ')[0]}\n", flush=True)
    if options.what == "lag":
        measure_lag()
    elif options.what == "slowdown":
        measure_slowdown(options.pairs, options.epochs, options.one_core)
    else:
        measure_pipeline(options.pairs, options.target)


if __name__ == "__main__":
    main()
