"""Seconds to fit the default model of `layerline init`, beside CatBoost, RealMLP and TabM.

    python3.11 -m venv PEERS && PEERS/bin/pip install catboost "pytabkit[models]" pyarrow
    python benchmarks/fit_times.py --tables FOLDER [FOLDER ...] --peers PEERS/bin/python
        [--models catboost realmlp tabm] [--only NAME ...]

A FOLDER holds Parquet files with a column `split`, and tables.json with a name, file, target and
task for each. Everyone has all cores, trains on the train rows and chooses by the valid rows.
Models take turns, table by table, so that a slow hour of the machine is everyone's. Seconds are of
the clock and of fitting alone: imports, reading and, here, the stages before train are left out.
A peer is run by its own interpreter, as its packages ask for other versions of torch.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from quality import Table, given_tables, prepare

from layerline.training.train import train

PEERS = ("catboost", "realmlp", "tabm")
HERE = Path(__file__).resolve().parent


def ours(table: Table) -> float:
    """Seconds of the stage train, in a process of its own as users have it."""
    command = [sys.executable, __file__, "--fit-one", json.dumps([*map(str, table)])]
    return _seconds(command)


def fit_one(table: Table) -> None:
    """Print the seconds of one training, with as many threads and forks as it likes."""
    with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(sys.stderr):
        workspace, params = prepare(table, Path(root), {"threads": "auto"})
        began = time.perf_counter()
        train(workspace, params, lambda record: None, may_fork=True)
        seconds = time.perf_counter() - began
    print(seconds)


def theirs(model: str, table: Table, python: Path) -> float:
    listed = json.loads((table.path.parent / "tables.json").read_text())
    task = next(entry["task"] for entry in listed if entry["name"] == table.name)
    command = [str(python), str(HERE / "peer_fits.py"), model, str(table.path), table.target, task]
    return _seconds(command)


def _seconds(command: Sequence[str]) -> float:
    environment = dict(os.environ)
    if command[1] != __file__:  # a peer must not find packages of ours
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def report(found: dict[str, list[float]], models: Sequence[str]) -> None:
    """Medians, and how many times ours the others take, of the tables that all were run on."""
    for number, model in enumerate(models, start=1):
        own = statistics.median(row[0] for row in found.values())
        other = statistics.median(row[number] for row in found.values())
        ratios = statistics.median(row[number] / row[0] for row in found.values())
        print(
            f"{model}: median {other:.1f} s, ours {own:.1f} s, {own / other:.2f} of it; "
            f"it takes {ratios:.2f} times ours in the median of the tables"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, nargs="+", default=[])
    parser.add_argument("--peers", type=Path, help="the peers' Python")
    parser.add_argument("--models", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--only", nargs="+", help="names of tables")
    parser.add_argument("--fit-one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit_one:
        name, path, target, metric = json.loads(options.fit_one)
        fit_one(Table(name, Path(path), target, metric))
        return
    tables = [t for t in given_tables(options.tables) if t.name in (options.only or [t.name])]
    print(f"| table | layerline | {' | '.join(options.models)} |")
    print("|---|" + "---:|" * (1 + len(options.models)))
    found: dict[str, list[float]] = {}
    for table in tables:
        rivals = [theirs(model, table, options.peers) for model in options.models]
        found[table.name] = [ours(table), *rivals]
        cells = " | ".join(f"{seconds:.1f}" for seconds in found[table.name])
        print(f"| {table.name} | {cells} |", flush=True)
    report(found, options.models)


if __name__ == "__main__":
    main()
