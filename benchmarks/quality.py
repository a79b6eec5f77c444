"""Layerline's defaults on tables: variants of them by validation rows, or beside scikit-learn.

    python benchmarks/quality.py --tables FOLDER [FOLDER ...] [--resplits 3] [--only NAME ...]
        [--variant "own bins: train.options.numeric_embeddings.edges=quantile" ...] [--csv FILE]
    python benchmarks/quality.py [--tables FOLDER ...] --test [--seeds 5] [--variant ...]

A FOLDER holds Parquet files with a column `split`, and tables.json with a name, file and target for
each. Each table goes through fetch, validate, scale, train and evaluate as `layerline init` would
set them up.

The first form is for choosing: the train and valid rows are dealt again --resplits times, to train,
valid and a third part that judges, since members and epochs are chosen by the valid rows. Every
variant has the same splits and seeds; the last lines compare each to the default, table by table.

The second form is for the end: only --test looks at test rows, with the table's own split. Without
--tables it takes scikit-learn's data sets, and beside it are scikit-learn's models on the same
scaled rows. With --tables the last lines are mean ranks beside the models in peers.csv there;
benchmarks/tables.py makes a table and a plot of --csv.
"""

import argparse
import copy
import csv
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tables import FIGURES, Figures, Found, Judged, print_ranks, read_peers

from layerline.artifacts import Workspace, read_manifest
from layerline.config import parse_params
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
DEFAULT = "default"


class Table(NamedTuple):
    """A Parquet file, its target, and the metric that models are ranked by."""

    name: str
    path: Path
    target: str
    metric: str = ""


Variants = Mapping[str, Mapping[str, Any]]  # by name: dotted path of params.yaml -> value


def own_tables(folder: Path) -> Iterator[Table]:
    for name, loader in LOADERS.items():
        path = folder / f"{name}.parquet"
        loader(as_frame=True).frame.to_parquet(path)
        yield Table(name, path, "target")


def given_tables(folders: Sequence[Path]) -> Iterator[Table]:
    for folder in folders:
        for table in json.loads((folder / "tables.json").read_text()):
            yield Table(table["name"], folder / table["file"], table["target"], table["metric"])


def read_variants(texts: Sequence[str]) -> Variants:
    """`NAME: PATH=VALUE, PATH=VALUE` -> the changes of each, the default first."""
    variants: dict[str, dict[str, Any]] = {DEFAULT: {}}
    for text in texts:
        name, _, changes = text.partition(":")
        pairs = (change.partition("=") for change in changes.split(";"))
        yaml = YAML(typ="safe", pure=True)
        variants[name] = {path.strip(): yaml.load(value) for path, _, value in pairs}
    return variants


def resplit(table: Table, seed: int, folder: Path) -> Table:
    """The table without its test rows; the others dealt again, a fifth of them to judge by."""
    frame = pd.read_parquet(table.path)
    frame = frame[frame["split"] != "test"]
    n_judged, n_valid = len(frame) // 5, len(frame) // 5
    labels = np.full(len(frame), "train", dtype=object)
    order = np.random.default_rng(seed).permutation(len(frame))
    labels[order[:n_judged]], labels[order[n_judged:][:n_valid]] = "test", "valid"
    path = folder / f"{table.name}.parquet"
    frame.assign(split=labels.astype(str)).to_parquet(path)
    return table._replace(path=path)


def changed(params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of params.yaml's mapping with other values at dotted paths."""
    found = copy.deepcopy(dict(params))
    for path, value in changes.items():
        *sections, key = path.split(".")
        place = found
        for section in sections:
            place = place.get(section)
            if not isinstance(place, dict):
                break  # the default has no such section, as numeric_embeddings with many inputs
        else:
            place[key] = value
    return found


def prepare(table: Table, root: Path, changes: Mapping[str, Any]) -> tuple[Workspace, Any]:
    """Fetch, validate and scale as `layerline init` sets them up, with these changes."""
    workspace = Workspace(root)
    start = start_project(table.path, table.target, "bench", root=root)
    raw = changed({**start.params, "threads": 1, "evaluate": {"bootstrap": 0}}, changes)
    raw["fetch"]["options"]["path"] = str(table.path.resolve())  # it is written from the root
    params, problems = parse_params(raw)
    if params is None:
        raise SystemExit("\n".join(f"{p.where}: {p.message}" for p in problems))
    write_schema(root / params.schema_path, start.schema)
    fetch(workspace, params.fetch)
    validate_raw(workspace, params.validate, params.schema_path)
    scale(workspace, params.scale, seed=0)
    return workspace, params


def fit(workspace: Workspace, params: Any, seed: int) -> Figures:
    """The figures of the test rows after a training."""
    chosen = dataclasses.replace(params, seed=seed)
    started = time.process_time()
    train(workspace, chosen, lambda record: None)
    seconds = time.process_time() - started
    return {**evaluate(workspace, chosen)["test"], "fit_s": seconds}


def peers(root: Path, seed: int) -> Iterator[tuple[str, Figures]]:
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
        started = time.process_time()
        model.fit(x["train"], y["train"])
        seconds = time.process_time() - started
        if regression:
            errors = (model.predict(x["test"]) - y["test"]) * data["target_scale"]
            yield name, {"rmse": float(np.sqrt(np.mean(errors**2))), "fit_s": seconds}
            continue
        shares = model.predict_proba(x["test"])
        scores = shares[:, 1] if shares.shape[1] == 2 else shares
        figures = {
            "accuracy": float((shares.argmax(1) == y["test"]).mean()),
            "log_loss": float(log_loss(y["test"], shares, labels=range(shares.shape[1]))),
            "roc_auc": float(roc_auc_score(y["test"], scores, multi_class="ovr")),
            "fit_s": seconds,
        }
        yield name, figures


def row(table: str, model: str, found: Sequence[Figures]) -> str:
    cells = []
    for name in FIGURES:
        values = [figures[name] for figures in found if name in figures]
        spread = f" ± {np.std(values):.4f}" if len(values) > 1 and name != "fit_s" else ""
        cells.append(f"{np.mean(values):.4f}{spread}" if values else "")
    return f"| {table} | {model} | " + " | ".join(cells) + " |"


def choose(tables: Sequence[Table], variants: Variants, resplits: int, file: Path | None) -> None:
    """Print every variant's figures on the rows that judge; then each beside the default."""
    found: dict[tuple[str, str], list[Figures]] = {}
    for table in tables:
        for seed in range(resplits):
            with tempfile.TemporaryDirectory() as made:
                dealt = resplit(table, seed, Path(made))
                for name, changes in variants.items():
                    with tempfile.TemporaryDirectory() as root:
                        workspace, params = prepare(dealt, Path(root), changes)
                        figures = fit(workspace, params, seed)
                    found.setdefault((table.name, name), []).append(figures)
                    _append(file, table.name, name, seed, figures)
        for name in variants:
            print(row(table.name, name, found[table.name, name]), flush=True)
    for name in variants:
        if name != DEFAULT:
            print(_comparison([t.name for t in tables], name, found))


def _append(file: Path | None, table: str, name: str, seed: int, figures: Figures) -> None:
    if file is not None:
        with file.open("a", newline="") as stream:
            values = [f"{figures[key]:.6g}" if key in figures else "" for key in FIGURES]
            csv.writer(stream).writerow([table, name, seed, *values])


def _comparison(
    tables: Sequence[str], name: str, found: Mapping[tuple[str, str], list[Figures]]
) -> str:
    """Relative change of log loss or RMSE, the median and the tables won; below 0 is better."""
    gains = {}
    for table in tables:
        pairs = zip(found[table, name], found[table, DEFAULT], strict=True)
        key = "rmse" if "rmse" in found[table, name][0] else "log_loss"
        gains[table] = float(np.mean([one[key] / other[key] - 1 for one, other in pairs]))
    parts = ", ".join(f"{table} {100 * gain:+.2f} %" for table, gain in gains.items())
    won = sum(gain < 0 for gain in gains.values())
    median = 100 * np.median(list(gains.values()))
    summary = f"median {median:+.2f} %, won {won} of {len(gains)}"
    return f"\n{name}: loss against the default, {summary}: {parts}"


def test(tables: Sequence[Table], variants: Variants, seeds: int, file: Path | None) -> None:
    """Print test figures of each variant; of scikit-learn's models too, on its own data sets."""
    found: Found = {}
    for table in tables:
        for name, changes in variants.items():
            with tempfile.TemporaryDirectory() as root:
                workspace, params = prepare(table, Path(root), changes)
                made = [fit(workspace, params, seed) for seed in range(seeds)]
                print(row(table.name, name, made), flush=True)
                found[table.name, name] = made
                for seed, figures in enumerate(made):
                    _append(file, table.name, name, seed, figures)
                others = peers(Path(root), 0) if name == DEFAULT and not table.metric else ()
                for model, figures in others:
                    print(row(table.name, model, [figures]), flush=True)
    judged = [Judged(table.name, table.metric) for table in tables if table.metric]
    read_peers(sorted({table.path.parent for table in tables if table.metric}), found)
    print_ranks(judged, found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, nargs="+")
    parser.add_argument("--only", nargs="+", help="names of tables")
    parser.add_argument("--variant", action="append", default=[], help="NAME: PATH=VALUE; ...")
    parser.add_argument("--resplits", type=int, default=3)
    parser.add_argument("--csv", type=Path, help="append each training's figures")
    parser.add_argument("--test", action="store_true", help="test rows, at the end")
    parser.add_argument("--seeds", type=int, default=5, help="with --test")
    options = parser.parse_args()
    if not options.tables and not options.test:
        parser.error("--tables is needed to choose by validation rows; or --test")
    print(f"| table | model | {' | '.join(FIGURES)} |")
    print("|---|---|" + "---:|" * len(FIGURES))
    with tempfile.TemporaryDirectory() as made:
        tables = list(given_tables(options.tables) if options.tables else own_tables(Path(made)))
        if options.only:
            tables = [table for table in tables if table.name in options.only]
        if options.test:
            test(tables, read_variants(options.variant), options.seeds, options.csv)
        else:
            choose(tables, read_variants(options.variant), options.resplits, options.csv)


if __name__ == "__main__":
    main()
