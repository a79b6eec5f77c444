"""Trials a minute of `layerline study run` on digits, beside the scripts that people write.

    python benchmarks/studies.py [--trials 100] [--peer-trials 20] [--workers 2]

The same space (width, dropout, rate, decay), Optuna's TPE, 40 epochs at most, batches of 64 rows,
early stopping after 15 epochs without a better validation loss, no pruning, on the rows that the
pipeline splits and scales. The scripts run in one process, with as many threads as torch and
scikit-learn choose. A second study prunes, as recipes/studies/quick.yaml does. Prints Markdown.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from torch import nn

HERE = Path(__file__).resolve().parents[1]
HIDDEN = {"[128]": [128], "[128, 64]": [128, 64], "[256, 128]": [256, 128]}
SPACE = """
space:
  train.options.hidden: [[128], [128, 64], [256, 128]]
  train.options.dropout: {low: 0.0, high: 0.5}
  train.optimizer.learning_rate: {low: 0.0005, high: 0.02, log: true}
  train.optimizer.weight_decay: {low: 0.0001, high: 0.1, log: true}
"""
EPOCHS, PATIENCE, BATCH = 40, 15, 64
Rows = dict[str, NDArray[Any]]


def draw(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "hidden": HIDDEN[trial.suggest_categorical("hidden", list(HIDDEN))],
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "rate": trial.suggest_float("rate", 0.0005, 0.02, log=True),
        "decay": trial.suggest_float("decay", 0.0001, 0.1, log=True),
    }


def torch_script(rows: Rows, trial: optuna.Trial) -> float:
    """What tutorials do: TensorDataset, DataLoader, AdamW, a cosine schedule, the best epoch."""
    chosen, layers, width = draw(trial), [], rows["train_x"].shape[1]
    torch.manual_seed(0)
    for n in chosen["hidden"]:
        layers += [nn.Linear(width, n), nn.BatchNorm1d(n), nn.ReLU(), nn.Dropout(chosen["dropout"])]
        width = n
    network = nn.Sequential(*layers, nn.Linear(width, 10))
    tensors = {name: torch.from_numpy(values) for name, values in rows.items()}
    data = torch.utils.data.TensorDataset(tensors["train_x"], tensors["train_y"])
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), chosen["rate"], weight_decay=chosen["decay"]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(loader))
    loss, best, kept, last = nn.CrossEntropyLoss(), np.inf, None, 0
    for epoch in range(EPOCHS):
        network.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss(network(x), y).backward()
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            value = float(loss(network(tensors["valid_x"]), tensors["valid_y"]))
        if value < best:
            best, kept, last = value, copy.deepcopy(network.state_dict()), epoch
        elif epoch - last >= PATIENCE:
            break
    assert kept is not None
    return best


def sklearn_script(rows: Rows, trial: optuna.Trial) -> float:
    chosen = draw(trial)
    model = MLPClassifier(
        chosen["hidden"],
        alpha=chosen["decay"],
        learning_rate_init=chosen["rate"],
        batch_size=BATCH,
        max_iter=EPOCHS,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows["train_x"], rows["train_y"])
    return float(log_loss(rows["valid_y"], model.predict_proba(rows["valid_x"]), labels=range(10)))


def peer(rows: Rows, script: Callable[[Rows, optuna.Trial], float], n_trials: int) -> list[float]:
    """Seconds and the best validation loss."""
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    start = time.perf_counter()
    study.optimize(lambda trial: script(rows, trial), n_trials=n_trials)
    return [time.perf_counter() - start, study.best_value]


def ours(clone: Path, name: str, text: str, n_trials: int, workers: int) -> list[float]:
    (clone / f"{name}.yaml").write_text(SPACE + text)
    command = ["layerline", "study", "run", f"{name}.yaml", "--json", "--trials", str(n_trials)]
    start = time.perf_counter()
    done = run(clone, *command, "--workers", str(workers))
    seconds = time.perf_counter() - start
    found = json.loads(done)
    assert found["done"] + found["pruned"] == n_trials
    return [seconds, found["best"]["value"], found["params_yaml"]["value"]]


def run(clone: Path, *command: str) -> str:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": tools, "PYTHONPATH": str(clone / "src")}
    done = subprocess.run(
        command, cwd=clone, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--peer-trials", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(HERE), str(clone)], check=True)
        run(clone, "dvc", "repro", "scale")
        rows = {
            f"{split}_{part}": np.load(clone / "data" / "scaled" / f"{split}_{part}.npy")
            for split in ("train", "valid")
            for part in ("x", "y")
        }
        rows |= {name: v.astype(np.int64) for name, v in rows.items() if name.endswith("_y")}
        print(
            "| way | trials | seconds | trials/min | best validation loss |\n|---|--:|--:|--:|--:|"
        )
        n, median = options.trials, "pruner: {name: median, startup: 8, warmup: 5}\n"
        for label, name, text, workers in (
            (f"study run, {options.workers} workers", "two", "", options.workers),
            (f"the same, median pruner, {options.workers} workers", "cut", median, options.workers),
            ("study run, this process", "one", "", 1),
        ):
            seconds, best, first = ours(clone, name, text, n, workers)
            print(
                f"| {label} | {n} | {seconds:.1f} | {60 * n / seconds:.0f} | {best:.4f} "
                f"(params.yaml: {first:.4f}) |",
                flush=True,
            )
        for label, script in (("torch script", torch_script), ("scikit-learn", sklearn_script)):
            n = options.peer_trials
            seconds, best = peer(rows, script, n)
            print(f"| {label} | {n} | {seconds:.1f} | {60 * n / seconds:.0f} | {best:.4f} |")


if __name__ == "__main__":
    main()
