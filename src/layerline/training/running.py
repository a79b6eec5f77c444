"""The train stage's work: from data/scaled to models/network and reports/history.csv."""

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from layerline.artifacts import Workspace, read_manifest, replace_file, replace_folder
from layerline.config import Params
from layerline.networks.files import NetworkSpec, save_network
from layerline.training.device import prepare_torch
from layerline.training.loop import EpochRecord, FitResult, fit
from layerline.training.rows import load_rows

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "valid_loss",
    "valid_error",
    "learning_rate",
    "gradient_norm",
)  # no rates and times: equal trainings give equal bytes


def train(
    workspace: Workspace, params: Params, on_epoch: Callable[[EpochRecord], None]
) -> FitResult:
    """Train, then write the network and its history.

    Raises:
        SourceError: data/scaled is missing or damaged.
        ParamsError: a component is not known or does not fit the task.
        DivergedError: the loss was not finite.
    """
    data = read_manifest(workspace.scaled)
    prepare_torch(params.seed, params.threads)
    spec = _spec(params, data)
    network = spec.build()
    train_rows, valid_rows = (load_rows(workspace.scaled, split) for split in ("train", "valid"))
    with _progress(params.train.epochs) as bar:

        def tell(record: EpochRecord) -> None:
            bar.set_postfix_str(
                f"loss {record.valid_loss:.4g}, error {record.valid_error:.4g}, "
                f"{record.rows_per_second:,.0f} rows/s"
            )
            bar.update()
            on_epoch(record)

        result = fit(
            network,
            train_rows,
            valid_rows,
            params.train,
            task=spec.task,
            seed=params.seed,
            on_epoch=tell,
        )
    with replace_folder(workspace.network, {"kept_epoch": result.kept_epoch}) as folder:
        save_network(folder, network, spec)
    write_history(workspace.reports / "history.csv", result.history)
    return result


def _progress(epochs: int) -> Any:
    # disable=None: quiet when stderr is not a terminal.
    return tqdm(total=epochs, desc="train", unit="epoch", disable=None, leave=False)


def _spec(params: Params, data: dict[str, Any]) -> NetworkSpec:
    classes = data["classes"]
    return NetworkSpec(
        network=params.train.network,
        options=params.train.options,
        input_shape=tuple(data["shape"]),
        d_out=1 if classes is None else len(classes),
        task=data["task"],
        classes=None if classes is None else tuple(classes),
        target_center=data["target_center"],
        target_scale=data["target_scale"],
    )


def write_history(path: Path, history: tuple[EpochRecord, ...]) -> None:
    """One line an epoch; floats in full, so that equal trainings give equal bytes."""
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(record) for record in history)
