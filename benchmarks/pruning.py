"""What pruning saves on MNIST: the steps and the best loss of a study with and without it.

    python benchmarks/pruning.py --root FOLDER [--trials 40] [--seeds 3] [--only none rungs]

FOLDER holds the folder MNIST with its IDX files. One worker, one thread, batches of 128 of 54,000
rows, 12 epochs at most and no early stopping, so a trial's steps are its epochs, those of short
trainings included; TPE has the same seed with each pruner. Prints Markdown. Nothing in it depends
on how fast the machine is. With --work FOLDER finished studies stay and are only read again, and
stopped ones go on.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from textbook import environment, layerline, make_project

SPACE = """
space:
  train.options.hidden: [[128], [256], [256, 128]]
  train.options.dropout: {low: 0.0, high: 0.5}
  train.optimizer.learning_rate: {low: 0.0001, high: 0.03, log: true}
  train.optimizer.weight_decay: {low: 0.0001, high: 0.3, log: true}
objective: valid.log_loss
"""
EPOCHS = 12
PRUNERS = {
    "none": "pruner: none",
    "median": "pruner: {name: median, startup: 5, warmup: 1}",
    "hyperband": "pruner: {name: hyperband, least: 1, most: 12, factor: 3}",
    "rungs": "rungs: [1]\npruner: {name: halving, least: 1, factor: 4}",
}


class Outcome(NamedTuple):
    """A study's: epochs trained in all trials, how many were pruned, and the best loss in nats."""

    n_epochs: int
    n_pruned: int
    best: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PRUNERS, default=["none", "rungs"])
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        project = make_project("mnist", work, options.root)
        found = {
            (pruner, seed): run(project, pruner, seed, options.trials)
            for seed in range(options.seeds)
            for pruner in options.only
        }
    print("| pruner | seed | epochs | saved | pruned trials | best validation loss |")
    print("|---|--:|--:|--:|--:|--:|")
    for (pruner, seed), each in found.items():
        saved = 1 - each.n_epochs / (EPOCHS * options.trials)
        print(
            f"| {pruner} | {seed} | {each.n_epochs} | {saved:.0%} | {each.n_pruned} | "
            f"{each.best:.5f} |"
        )
    for pruner in options.only:
        best = [each.best for (name, _), each in found.items() if name == pruner]
        print(f"\n{pruner}: mean of the best losses {statistics.mean(best):.5f}")


def run(project: Path, pruner: str, seed: int, n_trials: int) -> Outcome:
    """One study, in a project whose params have the seed; a finished one is only read."""
    name = f"{pruner}-{seed}"
    at = project.parent / name
    if not at.exists():
        shutil.copytree(project, at, symlinks=True)
        yaml = YAML()
        params = yaml.load(at / "params.yaml")
        params |= {"seed": seed, "threads": 1}  # the seed is of the split, too
        params["train"] |= {"epochs": EPOCHS, "batch_size": 128, "early_stopping": None}
        yaml.dump(params, at / "params.yaml")
        (at / f"{name}.yaml").write_text(f"{SPACE}{PRUNERS[pruner]}\n")
        subprocess.run(["dvc", "repro", "-q", "scale"], cwd=at, env=environment(), check=True)
    layerline(at, "study", "run", f"{name}.yaml", "--trials", str(n_trials), "--json")
    summary = json.loads((at / "reports" / "studies" / name / "study.json").read_text())
    return Outcome(summary["epochs_trained"], summary["pruned"], summary["best"]["value"])


if __name__ == "__main__":
    main()
