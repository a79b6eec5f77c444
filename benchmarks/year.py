"""A year of `layerline retrain` in one command: 52 weekly parts of a table, and planted faults.

    python benchmarks/year.py [--weeks 52] [--fault 20:drift ...] [--output benchmarks/results]

The table is scikit-learn's digits as 16 numbers a row (means of 2 x 2 pixels); 20 rows arrive each
week. Each week's rows are first predicted by the champion, and by the first version of all ("never
retrained"), and then a real `layerline retrain` runs in a temporary project. Asserts what is
promised: each fault ends with its exit code, each week there is exactly one champion, whose bytes
are those registered, and the live accuracy is never surely below never retraining. Writes year.md
and year.png.
"""

import argparse
import contextlib
import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from checkouts import make_checkout  # noqa: E402

from layerline.model.predictor import Model  # noqa: E402
from layerline.registry.client import open_registry  # noqa: E402
from layerline.registry.integrity import check_integrity  # noqa: E402
from layerline.registry.predict import load_registered  # noqa: E402
from layerline.registry.promotion import champion_of  # noqa: E402
from layerline.retraining.sequential_test import DROP, weigh  # noqa: E402

LAYERLINE = [sys.executable, "-W", "ignore", "-c", "from layerline.cli import main; main()"]
FAULTS = {
    20: "drift",
    30: "bad file",
    31: "half-written file",
    35: "worse challenger",
    40: "tracking server down",
    41: "kill -9",
    45: "full disk",
    48: "clock set back",
    50: "two at once",
}
N_FIRST, N_WEEK = 757, 20
DONE = (0, 6)  # promoted, or the gate kept the champion


class Week(NamedTuple):
    """What one week brought; accuracies are of its rows, before it trained on them."""

    number: int
    fault: str
    codes: list[int]
    champion: int
    live: float
    never: float
    drifted: int
    seconds: float
    message: str


def digits() -> pd.DataFrame:
    """1,797 rows of 16 numbers, and the digit."""
    images, digit = load_digits(return_X_y=True)
    blocks = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(len(images), 16)
    frame = pd.DataFrame(blocks, columns=[f"block_{at:02d}" for at in range(16)])
    return frame.assign(digit=[f"d{label}" for label in digit]).sample(frac=1, random_state=0)


class Year:
    """A project, the rows that have arrived, and what is known of its past."""

    def __init__(self, folder: Path, faults: Mapping[int, str]) -> None:
        self.checkout, self.faults = make_checkout(folder), faults
        self.root = self.checkout.root
        self.table = digits()
        self.arrived = self.table.head(N_FIRST)
        self.losses: list[np.ndarray] = []  # (champion, never) by row
        self.last_champion: int | None = None  # as it was checked at the end of the week before
        self._models: dict[int, Model] = {}
        self._write(self.arrived)
        self._run("init", "digits.csv", "--target", "digit", "--project", "year", "--fast")
        alert = ["sh", "-c", "cat >> alerts.jsonl; echo >> alerts.jsonl"]
        self.checkout.edit_params(
            train__epochs=15,
            evaluate__bootstrap=0,
            evaluate__baselines=[],
            retrain={"alerts": {"command": alert}},
        )
        self.ends(0)

    def _run(self, *command: str, code: int | None = 0) -> str:
        return self.checkout.run(*LAYERLINE, *command, code=code)

    def _write(self, rows: pd.DataFrame) -> None:
        rows.to_csv(self.root / "digits.csv", index=False)

    def ends(
        self,
        *codes: int,
        before: Sequence[str] = (),
        prepare: Callable[[], None] | None = None,
        **environment: str,
    ) -> int:
        """Run `layerline retrain`; its exit code must be one of `codes`."""
        done = subprocess.run(
            [*before, *LAYERLINE, "retrain"],
            cwd=self.root,
            env=self.checkout.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=prepare,
            check=False,
        )
        assert done.returncode in codes, (
            f"ended with {done.returncode}, not {codes}:\n{done.stdout}"
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode

    def start(self) -> "subprocess.Popen[str]":
        """A run that nothing waits for."""
        return subprocess.Popen(
            [*LAYERLINE, "retrain"],
            cwd=self.root,
            env=self.checkout.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def last(self) -> dict[str, Any]:
        """The last line of reports/retrain.jsonl."""
        lines = (self.root / "reports" / "retrain.jsonl").read_text().splitlines()
        found: dict[str, Any] = json.loads(lines[-1])
        return found

    def champion(self) -> int:
        """The one champion; its bytes must be those that were registered."""
        with open_registry(self.root, "checking the champion") as client:
            found = champion_of(client, "year", "champion")
            assert found is not None, "there is no champion"
            report = check_integrity(client, found, None, dry_run=True)
            assert report.passed, report
        return int(found.version)

    def accuracy(self, rows: pd.DataFrame, version: int) -> np.ndarray:
        """(B,) whether a version predicts each row right."""
        if version not in self._models:
            self._models[version] = load_registered(f"models:/year/{version}", self.root)
        found = self._models[version].predict(rows.drop(columns="digit"), any_value=True)
        return (found["prediction"].to_numpy() == rows["digit"].to_numpy()).astype(float)

    def arrive(self, number: int) -> pd.DataFrame:
        """The rows of a week: once drift is planted, the scanner is darker and upside down."""
        start = N_FIRST + (number - 1) * N_WEEK
        rows = self.table.iloc[start : start + N_WEEK].copy()
        planted = min((week for week, fault in self.faults.items() if fault == "drift"), default=99)
        if number >= planted:
            blocks = [name for name in rows if name != "digit"]
            rows[blocks] = rows[blocks[::-1]].to_numpy() * 0.7
        self.arrived = pd.concat([self.arrived, rows])
        self._write(self.arrived)
        return rows

    def week(self, number: int) -> Week:
        """Let a week's rows arrive, and retrain; asserts every promise."""
        begin, fault = time.monotonic(), self.faults.get(number, "")
        before = self.last_champion or self.champion()
        rows = self.arrive(number)
        pair = np.stack([self.accuracy(rows, before), self.accuracy(rows, 1)])
        self.losses.append(pair)
        codes = ENDS[fault](self) if fault else [self.ends(*DONE)]
        champion, last = self.champion(), self.last
        self.last_champion = champion
        if not set(codes) & set(DONE):
            assert champion == before, f"a failed run changed the champion: {before}, {champion}"
        gains = np.concatenate([live - never for live, never in self.losses])
        assert weigh(gains).decision != DROP, "surely below never retraining"
        live, never = pair.mean(axis=1).tolist()
        seconds, n_drifted = time.monotonic() - begin, len(last["drifted"] or ())
        return Week(
            number, fault, codes, champion, live, never, n_drifted, seconds, last["message"]
        )


def drift(year: Year) -> list[int]:
    codes = [year.ends(*DONE)]
    assert year.last["drifted"], "the planted drift was not found"
    return codes


def bad_file(year: Year) -> list[int]:
    year._write(year.arrived.rename(columns={"block_03": "block_3"}))
    codes = [year.ends(3)]
    assert "block_03" in year.last["message"]
    return codes


def half_written(year: Year) -> list[int]:
    text = year.arrived.to_csv(index=False)
    (year.root / "digits.csv").write_text(text[:-40])
    return [year.ends(3)]


def worse_challenger(year: Year) -> list[int]:
    params = (year.root / "params.yaml").read_text()
    year.checkout.edit_params(train__epochs=1, train__optimizer__learning_rate=1e-5)
    codes = [year.ends(6)]
    (year.root / "params.yaml").write_text(params)
    return codes


def server_down(year: Year) -> list[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # nobody listens
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return [year.ends(8, MLFLOW_TRACKING_URI=uri)]


def killed(year: Year) -> list[int]:
    process = year.start()
    assert process.stdout is not None
    for line in process.stdout:
        if "pipeline/train.py" in line:
            break
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    with contextlib.suppress(ValueError):
        process.communicate()
    _, alive = psutil.wait_procs(family, timeout=120)
    assert not alive, "DVC and its stage outlived the run by two minutes"
    year.champion()
    return [-signal.SIGKILL, year.ends(*DONE)]


def full_disk(year: Year) -> list[int]:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    return [year.ends(1, 3, 4, 8, prepare=no_room)]


def clock_set_back(year: Year) -> list[int]:
    faketime = shutil.which("faketime")
    return [year.ends(*DONE, before=[faketime, "-f", "-400d"] if faketime else [])]


def two_at_once(year: Year) -> list[int]:
    both = [year.start(), year.start()]
    texts = [process.communicate()[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes[0] in DONE, texts
    assert codes[1] in (*DONE, 7), texts
    return codes


ENDS: Mapping[str, Callable[[Year], list[int]]] = {
    "drift": drift,
    "bad file": bad_file,
    "half-written file": half_written,
    "worse challenger": worse_challenger,
    "tracking server down": server_down,
    "kill -9": killed,
    "full disk": full_disk,
    "clock set back": clock_set_back,
    "two at once": two_at_once,
}


def run_year(folder: Path, n_weeks: int, faults: Mapping[int, str]) -> Iterator[Week]:
    """The weeks, as they end."""
    year = Year(folder, faults)
    for number in range(1, n_weeks + 1):
        yield year.week(number)


def table(weeks: Sequence[Week]) -> str:
    """The year as Markdown; quiet weeks without a new champion are left out."""
    lines = [
        "| week | planted | exit | champion | drifted | message |",
        "|---:|---|---|---:|---:|---|",
    ]
    before = 1
    for week in weeks:
        if week.fault or week.champion != before:
            codes = ", ".join(map(str, week.codes))
            message = week.message.partition("\n")[0].replace("|", "\\|")[:160]
            cells = (week.number, week.fault, codes, week.champion, week.drifted, message)
            lines.append(f"| {' | '.join(map(str, cells))} |")
        before = week.champion
    return "\n".join(lines)


def draw(path: Path, weeks: Sequence[Week]) -> None:
    """Accuracy by week (mean of three), retrained and never, and where faults were planted."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    numbers = [week.number for week in weeks]
    for label, values in (
        ("layerline retrain", [week.live for week in weeks]),
        ("never retrained", [week.never for week in weeks]),
    ):
        axes.plot(numbers, pd.Series(values).rolling(3, min_periods=1).mean(), label=label)
    for week in weeks:
        if week.fault:
            axes.axvline(week.number, color="grey", linewidth=0.6, linestyle=":")
            axes.text(week.number, 0.02, week.fault, rotation=90, size=7, ha="right")
    axes.set(xlabel="week", ylabel="accuracy of the week's rows, mean of three", ylim=(0, 1.02))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 0.3))
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weeks", type=int, default=52)
    parser.add_argument("--fault", action="append", metavar="WEEK:FAULT", help=f"{list(ENDS)}")
    parser.add_argument("--output", type=Path, help="where year.md and year.png go")
    options = parser.parse_args()
    pairs = (text.partition(":") for text in options.fault or ())
    faults = {int(week): name for week, _, name in pairs} or FAULTS
    begin, weeks = time.monotonic(), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # a flusher may end
        for week in run_year(Path(folder) / "my year", options.weeks, faults):
            weeks.append(week)
            print(week, file=sys.stderr, flush=True)
    minutes = (time.monotonic() - begin) / 60
    live, never = (np.mean([getattr(week, name) for week in weeks]) for name in ("live", "never"))
    text = (
        f"# A year of retraining\n\n{table(weeks)}\n\nLive accuracy {live:.3f}, never retrained "
        f"{never:.3f}. Every promise was asserted: exit codes, one champion a week with the bytes "
        f"that were registered, never surely below never retraining.\n\n"
        f"`{' '.join(['python', *sys.argv])}`: {len(weeks)} weeks in {minutes:.1f} minutes.\n"
    )
    print(text)
    if options.output:
        (options.output / "year.md").write_text(text + "\n![The year](year.png)\n")
        draw(options.output / "year.png", weeks)


if __name__ == "__main__":
    main()
