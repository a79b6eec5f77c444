"""Layerline's defaults beside scikit-learn's, on the same rows of scikit-learn's own data sets.

    python benchmarks/quality.py [--seeds 5] [--tables FOLDER] [--ensemble 4]

Each table goes through fetch, validate, scale, train and evaluate as `layerline init` would set
them up; the peers get the same scaled train rows and the same test rows. With --tables, FOLDER
holds Parquet files with a column `split`, and tables.json with a name, file and target for each.
--ensemble sets train.restarts: {seeds: 4, keep: ensemble}.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

from layerline.artifacts import Workspace, read_manifest
from layerline.config import RestartsSection, parse_params
from layerline.evaluation.evaluate import evaluate
from layerline.projects.init import start_project
from layerline.scaling.scale import scale
from layerline.sources.fetch import fetch
from layerline.training.train import train
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw

LOADERS = {
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
    "iris": load_iris,
    "diabetes": load_diabetes,
}


def own_tables(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for name, loader in LOADERS.items():
        path = folder / f"{name}.parquet"
        loader(as_frame=True).frame.to_parquet(path)
        yield name, path, "target"


def given_tables(folder: Path) -> Iterator[tuple[str, Path, str]]:
    for table in json.loads((folder / "tables.json").read_text()):
        yield table["name"], folder / table["file"], table["target"]


def ours(
    root: Path, path: Path, target: str, seeds: int, ensemble: int | None
) -> Iterator[dict[str, float]]:
    workspace = Workspace(root)
    start = start_project(path, target, "bench", root=root)
    params, _ = parse_params(start.params)
    assert params is not None
    write_schema(root / params.schema_path, start.schema)
    fetch(workspace, params.fetch)
    validate_raw(workspace, params.validate, params.schema_path)
    scale(workspace, params.scale, seed=0)
    for seed in range(seeds):
        chosen = dataclasses.replace(params, seed=seed)
        if ensemble is not None:
            restarts = RestartsSection(seeds=ensemble, keep="ensemble")
            chosen = dataclasses.replace(
                chosen, train=dataclasses.replace(params.train, restarts=restarts)
            )
        started = time.perf_counter()
        train(workspace, chosen, lambda record: None)
        seconds = time.perf_counter() - started
        yield {**evaluate(workspace, chosen)["test"], "fit_s": seconds}


def peers(root: Path, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    folder = Workspace(root).scaled
    data = read_manifest(folder)
    x, y = (
        {s: np.load(folder / f"{s}_{kind}.npy") for s in ("train", "test")} for kind in ("x", "y")
    )
    regression = data["task"] == "regression"
    models = {
        "sk_mlp": (MLPRegressor if regression else MLPClassifier)(max_iter=500, random_state=seed),
        "sk_hgb": (HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier)(
            random_state=seed
        ),
    }
    for name, model in models.items():
        started = time.perf_counter()
        model.fit(x["train"], y["train"])
        seconds = time.perf_counter() - started
        if regression:
            errors = (model.predict(x["test"]) - y["test"]) * data["target_scale"]
            yield name, {"rmse": float(np.sqrt(np.mean(errors**2))), "fit_s": seconds}
            continue
        shares = model.predict_proba(x["test"])
        scores = shares[:, 1] if shares.shape[1] == 2 else shares
        yield (
            name,
            {
                "accuracy": float((shares.argmax(1) == y["test"]).mean()),
                "log_loss": float(log_loss(y["test"], shares, labels=range(shares.shape[1]))),
                "roc_auc": float(roc_auc_score(y["test"], scores, multi_class="ovr")),
                "fit_s": seconds,
            },
        )


def row(table: str, model: str, found: list[dict[str, float]]) -> str:
    cells = []
    for name in ("accuracy", "log_loss", "roc_auc", "rmse", "fit_s"):
        values = [figures[name] for figures in found if name in figures]
        spread = f" ± {np.std(values):.4f}" if len(values) > 1 and name != "fit_s" else ""
        cells.append(f"{np.mean(values):.4f}{spread}" if values else "")
    return f"| {table} | {model} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--ensemble", type=int)
    options = parser.parse_args()
    print("| table | model | accuracy | log_loss | roc_auc | rmse | fit s |")
    print("|---|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as made:
        tables = given_tables(options.tables) if options.tables else own_tables(Path(made))
        for name, path, target in tables:
            with tempfile.TemporaryDirectory() as root:
                found = list(ours(Path(root), path, target, options.seeds, options.ensemble))
                print(row(name, "layerline", found), flush=True)
                for model, figures in peers(Path(root), 0):
                    print(row(name, model, [figures]), flush=True)


if __name__ == "__main__":
    main()
