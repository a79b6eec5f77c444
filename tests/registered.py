"""Whole checkouts, small: real tables and images, fitted preprocessors, trained networks."""

import dataclasses
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import layerline
from layerline.artifacts import NETWORK_WEIGHTS, Workspace, read_json, replace_folder, sha256_of
from layerline.columns.spec import ColumnSpec
from layerline.config import Component, FetchSection, Params, ScaleSection, TrainSection
from layerline.evaluation.decision import PLAIN, Decision, write_decision
from layerline.evaluation.prediction_table import record
from layerline.evaluation.row_predictions import predict_rows
from layerline.model.bundle import BundleContents, write_bundle
from layerline.model.load import load_bundle
from layerline.model.predictor import Model
from layerline.networks import build_network
from layerline.networks.serialization import NetworkSpec, load_network, save_network
from layerline.registry.candidate import log_candidate, prepare
from layerline.registry.client import open_registry
from layerline.registry.contest import hold_contest
from layerline.registry.verifier import Verifier, start_verifier
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.scale import scale
from layerline.tables.storage import write_images, write_table
from layerline.tracking.journal import Journal
from layerline.tracking.store import ensure_store
from layerline.training.dataset import TrainingData, load_rows
from layerline.training.fit import fit

SOURCE = Path(layerline.__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("DVC_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))


@dataclasses.dataclass
class Checkout:
    """A workspace on which every stage up to `train` has run, and what the tests do with it."""

    workspace: Workspace
    params: Params
    key: str = "0" * 32
    decision: Decision = PLAIN

    @property
    def preprocessor(self) -> Preprocessor:
        state = read_json(self.workspace.preprocessor / "preprocessor.json")
        return Preprocessor.from_json(state)

    @property
    def columns(self) -> tuple[ColumnSpec, ...]:
        about = read_json(self.workspace.validated / "manifest.json")
        return tuple(ColumnSpec.from_dict(column) for column in about["columns"])

    def train(self, epochs: int = 15, seed: int = 0) -> None:
        about = read_json(self.workspace.scaled / "manifest.json")
        torch.manual_seed(seed)
        classes = about["classes"]
        spec = NetworkSpec(
            network="mlp",
            options={"hidden": [16], "dropout": 0.0},
            input_shape=tuple(about["shape"]),
            d_out=1 if classes is None else len(classes),
            task=about["task"],
            classes=None if classes is None else tuple(classes),
            target_center=about["target_center"],
            target_scale=about["target_scale"],
        )
        network = build_network(
            spec.network, spec.options, input_shape=spec.input_shape, d_out=spec.d_out
        )
        rows = {name: load_rows(self.workspace.scaled, name) for name in ("train", "valid")}
        optimizer = Component(name="adamw", options={"learning_rate": 0.01})
        section = TrainSection(epochs=epochs, batch_size=64, optimizer=optimizer)
        data = TrainingData.of(rows["train"], rows["valid"], spec.task)
        fit(network, data, section, seed=seed)
        with replace_folder(self.workspace.network, {}) as folder:
            save_network(folder, network, spec)
        self.key = f"{seed:016d}{epochs:016d}"
        with Journal.create(
            self.workspace.journals,
            key=self.key,
            stage="train",
            experiment=self.params.project,
            run_name="mlp",
        ) as journal:
            journal.params({"train.epochs": epochs})
        self.record()

    def record(self) -> None:
        """Write the network's predictions of the test rows, as evaluate does."""
        network, spec = load_network(self.workspace.network)
        with replace_folder(self.workspace.decision, {}) as folder:
            write_decision(folder, self.decision, spec.classes)
        test = predict_rows(network, spec, load_rows(self.workspace.scaled, "test"), self.decision)
        ids = np.load(self.workspace.scaled / "test_id.npy")
        weights = sha256_of(self.workspace.network / NETWORK_WEIGHTS)
        record(self.workspace.predictions, ids, test, spec.classes, weights)

    def bundle(self, folder: Path, examples: Any = None) -> Model:
        def write(folder: Path, examples: Any) -> Model:
            contents = BundleContents(
                project=self.params.project,
                network_folder=self.workspace.network,
                preprocessor=self.preprocessor,
                columns=self.columns,
                decision_folder=self.workspace.decision,
                examples=examples,
            )
            write_bundle(folder, contents)
            return load_bundle(folder)

        if examples is None:
            return write(folder, None)
        with tempfile.TemporaryDirectory() as name:
            expected = write(Path(name) / "bundle", None).predict(examples)
        return write(folder, (examples, expected))


def _params(task: str) -> Params:
    section = FetchSection(source="files", target="kind", task=task)
    return Params(project="flowers", fetch=section)


def flowers(n_rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Every kind of column, gaps in most of them; the target follows from three of them."""
    generator = np.random.default_rng(seed)
    size = generator.normal(5, 2, n_rows)
    soil = generator.choice(["clay", "sand", "00123"], n_rows)
    count = generator.integers(1, 9, n_rows)
    score = size + 3 * (soil == "clay") - count + generator.normal(0, 1.0, n_rows)
    frame = pd.DataFrame(
        {
            "size": np.where(generator.random(n_rows) < 0.05, np.nan, size),
            "soil": pd.Series(soil).where(generator.random(n_rows) > 0.05, None),
            "count": count,
            "is wild": generator.random(n_rows) < 0.5,
            "planted": pd.Timestamp("2020-01-01") + pd.to_timedelta(count * 7, unit="D"),
            "note": [f"row {i}" for i in range(n_rows)],
            "kind": np.select([score < -1, score < 2], ["daisy", "rose"], "tulip"),
        }
    )
    frame["height"] = 10 * score + 300
    return frame


COLUMNS = (
    ColumnSpec("size", "number", "float64", nullable=True),
    ColumnSpec("soil", "category", "str", nullable=True, levels=("00123", "clay", "sand")),
    ColumnSpec("count", "number", "int64"),
    ColumnSpec("is wild", "category", "bool", levels=(False, True)),
    ColumnSpec("planted", "date", "datetime64[us]"),
    ColumnSpec("note", "text", "str", nullable=True, use=False),
)


def make_table(
    root: Path, frame: pd.DataFrame, columns: tuple[ColumnSpec, ...], target: str, task: str
) -> Checkout:
    workspace = Workspace(root)
    classes = None if task == "regression" else sorted(frame[target].unique().tolist())
    spec = ColumnSpec(target, "number", "float64")
    if classes is not None:
        spec = ColumnSpec(target, "category", "str", levels=tuple(classes))
    about = {
        "kind": "table",
        "source": "files",
        "raw_sha256": {},
        "target": target,
        "task": task,
        "classes": classes,
        "split_column": None,
        "n_rows": len(frame),
        "columns": [column.to_dict() for column in (*columns, spec)],
    }
    with replace_folder(workspace.validated, about) as folder:
        write_table(folder / "table.parquet", frame)
    scale(workspace, ScaleSection(), seed=0)
    return Checkout(workspace, _params(task))


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Callable[[str], Checkout]:
    """Trained checkouts by name, made once; tests that write take a `fresh` one."""
    cache: dict[str, Checkout] = {}

    def make(name: str) -> Checkout:
        if name not in cache:
            cache[name] = build(name, tmp_path_factory.mktemp(name))
            cache[name].train()
        return cache[name]

    return make


def build(name: str, root: Path, seed: int = 0) -> Checkout:
    if name == "classes":
        frame = flowers(seed=seed).drop(columns="height")
        return make_table(root, frame, COLUMNS, "kind", "multiclass")
    if name == "numbers":
        frame = flowers(seed=seed).drop(columns="kind")
        return make_table(root, frame, COLUMNS, "height", "regression")
    assert name == "images", name
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 90, (300, 6, 5), dtype=np.uint8)
    digits = generator.integers(0, 3, 300)
    images[np.arange(300), :, digits] += 120
    workspace = Workspace(root)
    about = {
        "kind": "images",
        "source": "torchvision",
        "raw_sha256": {},
        "target": "digit",
        "task": "multiclass",
        "classes": [0, 1, 2],
        "split_column": None,
        "n_rows": 300,
        "columns": [ColumnSpec("digit", "category", "int64", levels=(0, 1, 2)).to_dict()],
    }
    with replace_folder(workspace.validated, about) as folder:
        write_images(folder, images, pd.DataFrame({"digit": digits}))
    scale(workspace, ScaleSection(), seed=0)
    return Checkout(workspace, _params("multiclass"))


@pytest.fixture
def fresh(tmp_path) -> Callable[..., Checkout]:
    """A checkout of its own, not trained yet."""

    def make(name: str = "classes", seed: int = 0) -> Checkout:
        root = tmp_path / "my checkout ü"  # as users have them
        root.mkdir(exist_ok=True)
        return build(name, root, seed)

    return make


@pytest.fixture
def python() -> str:
    return sys.executable


@dataclasses.dataclass
class Store:
    """One real MLflow store, and the fresh process that loads from it; tests use own projects."""

    home: Path
    verifier: Verifier

    def run(self, project: str) -> str:
        """A training's run, finished."""
        with open_registry(self.home, "testing") as client:
            found = client.get_experiment_by_name(project)
            experiment = (
                found.experiment_id
                if found
                else client.create_experiment(
                    project, artifact_location=str(self.home / "mlartifacts" / project)
                )
            )
            run_id = client.create_run(experiment).info.run_id
            client.set_terminated(run_id)
        return run_id

    def register(self, checkout: Checkout, project: str, folder: Path) -> dict[str, Any]:
        """What `register_model` does, in this store."""
        params = dataclasses.replace(checkout.params, project=project)
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as name:
            candidate = prepare(checkout.workspace, params, self.run(project), Path(name))
            with open_registry(self.home, "testing") as client:
                version = log_candidate(client, candidate)
                return hold_contest(client, params, candidate, version, self.verifier)


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Iterator[Store]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints while it is imported
        import mlflow.pyfunc  # noqa: F401
    home = tmp_path_factory.mktemp("my store ü")
    ensure_store(home)
    with start_verifier(home) as verifier:
        yield Store(home, verifier)
