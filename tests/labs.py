"""A checkout whose store holds trainings, told by real journals and sent by the real flusher."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from homes import written_by

from layerline.artifacts import journals_of
from layerline.evaluation.prediction_table import record
from layerline.evaluation.predictions import Predictions
from layerline.runs.run import Run, to_run
from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.journal import Dataset, Journal
from layerline.tracking.store import open_client

CLASSES = ("cat", "dog", "eel")
PARAMS = {
    "project": "digits",
    "seed": "0",
    "scale.split.test": "0.2",
    "train.epochs": "4",
    "train.options.dropout": "0.2",
    "train.options.hidden": "[8, 4]",
    "evaluate.bootstrap": "1000",
}


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass
class Lab:
    """A home with a store, and the means to have trainings told to it."""

    home: Path

    @property
    def client(self) -> Any:
        return open_client(self.home)

    def run_id(self, key: str) -> str:
        found = run_id_of(self.home, key)
        assert found is not None
        return found

    def run(self, key: str) -> Run:
        return to_run(self.client.get_run(self.run_id(key)), "digits")

    def journal(self, key: str, process: Any = None, **changes: Any) -> Journal:
        values = {"stage": "train", "experiment": "digits", "run_name": f"mlp-{key}", **changes}
        with written_by(process):
            return Journal.create(journals_of(self.home), key=key, **values)

    def tell_data(self, stage: str, key: str, **tags: str) -> None:
        """A data stage's own run."""
        data = {"stage": stage, "experiment": "digits-data", "run_name": f"{stage}-{key}"}
        with self.journal(key, **data) as journal:
            journal.tags({"layerline.stage": stage, f"layerline.why.{stage}": "first run", **tags})

    def tell_training(
        self, key: str, params: dict[str, str], tags: dict[str, str], data: str = "d1"
    ) -> None:
        """What train tells: params, lineage, curves of four epochs; the data stages' runs."""
        with self.journal(key) as journal:
            journal.params({**PARAMS, **params})
            journal.tags({"layerline.stage": "train", "layerline.why.train": "first run", **tags})
            for split in ("train", "valid", "test"):
                digest = sha256(f"{split}-{data}")
                journal.tags({f"layerline.sha256.{split}_x": digest})
                journal.dataset(
                    Dataset(
                        name=f"digits-{split}",
                        digest=digest[:32],
                        source="data/scaled",
                        context=split,
                        n_rows=3,
                    )
                )
            for stage in ("fetch", "scale"):
                journal.link(f"layerline.run.{stage}", f"{stage}-{data}")
            for epoch in range(1, 5):
                losses = {"train_loss": 1 / epoch, "valid_loss": 1.2 / epoch, "valid_error": 0.1}
                journal.metrics({**losses, "rows_per_second": 1e5}, step=epoch)
            journal.tags({"layerline.kept_epoch": 3})

    def tell_evaluation(self, key: str, metrics: dict[str, float], table: Path | None) -> None:
        with self.journal(key, stage="evaluate", continues=True) as journal:
            journal.tags({"layerline.why.evaluate": "first run"})
            journal.metrics(metrics)
            if table is not None:
                journal.artifact(table)

    def register(self, key: str, version: int, promoted: bool, network: str) -> None:
        """A version of the model, and what register tells of it."""
        client = self.client
        if version == 1:
            client.create_registered_model("digits")
        client.create_model_version(
            "digits",
            source=f"runs:/{self.run_id(key)}/model",
            run_id=self.run_id(key),
            tags={"layerline.network_sha256": sha256(network)},
        )
        alias = "champion" if promoted else "challenger"
        client.set_registered_model_alias("digits", alias, str(version))
        with self.journal(key, stage="register", continues=True) as journal:
            verdict = {
                "version": version,
                "promoted": promoted,
                "reason": "so it is",
                "network_sha256": sha256(network),
            }
            journal.tags({f"layerline.registration.{k}": v for k, v in verdict.items()})
        self.flush()

    def flush(self) -> None:
        report = flush(self.home)
        assert report.errors == (), report.errors


def lineage(code: str = "1", table: str = "1", network: str = "1", **more: str) -> dict[str, str]:
    """Tags as lineage writes them: `path=md5` of deps and outs, and git's state."""
    raw, scaled = md5(f"raw{table}"), md5(f"scaled{table}")
    return {
        "dvc.fetch.deps": f"houses.csv={md5('table' + table)}\npipeline/fetch.py={md5('f')}",
        "dvc.fetch.outs": f"data/raw={raw}.dir\nruns/fetch.json={md5('r' + table)}",
        "dvc.scale.deps": f"data/raw={raw}.dir",
        "dvc.scale.outs": f"data/scaled={scaled}.dir",
        "dvc.train.deps": f"data/scaled={scaled}.dir\nsrc/layerline/training={md5(code)}.dir",
        "dvc.train.outs": f"models/network={md5(network)}.dir\nruns/train.json={md5(network)}",
        "mlflow.source.git.commit": (code * 40)[:40],
        "layerline.git.dirty": "false",
        **more,
    }


def predictions(path: Path, rows: range, skill: float, seed: int = 0) -> Path:
    """predictions.parquet of some rows; each row's truth depends on its id alone."""
    ids = np.asarray(rows, dtype=np.uint64)
    actual = np.asarray([id_ * 7 % 3 for id_ in rows])
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(len(ids), 3)) + skill * np.eye(3)[actual]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = Predictions(actual, probabilities.argmax(axis=1), probabilities)
    record(path, ids, found, CLASSES, "f" * 64)
    return path


def numbers(path: Path, rows: range, noise: float) -> Path:
    """predictions.parquet of a regression, in a unit of thousands."""
    ids = np.asarray(rows, dtype=np.uint64)
    actual = 1000.0 * np.sin(np.asarray(rows)) + 5000
    guess = actual + noise * np.cos(np.asarray(rows) * 3.0)
    record(path, ids, Predictions(actual, guess), None, "f" * 64)
    return path
