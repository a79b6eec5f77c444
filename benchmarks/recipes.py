"""How good the models of image recipes are: data once, then a training and its test figures a seed.

    python benchmarks/recipes.py recipes/mnist-mlp.yaml --root FOLDER [--seeds 3] [--threads 1]

FOLDER holds the data set's four IDX files; recipes on digits need none. The stages' own functions
run in a temporary folder, without DVC and MLflow, so that several seeds share the data;
benchmarks/repro.py measures the whole `dvc repro`. Rows of a Markdown table go to stdout; keep them
in benchmarks/results/recipes.md.
`--set train.epochs=3` tries a variation.
"""

import argparse
import dataclasses
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from layerline.artifacts import Workspace
from layerline.config import Params
from layerline.errors import ParamsError
from layerline.evaluation.evaluate import evaluate
from layerline.projects.preflight import load_checked
from layerline.scaling.scale import scale
from layerline.sources.fetch import fetch
from layerline.training.epoch_records import EpochRecord
from layerline.training.train import train
from layerline.validation.validate import validate_raw

HERE = Path(__file__).resolve().parents[1]
HEADER = """\
| recipe | seed | test accuracy | valid accuracy | test log loss | kept epoch | fit s | CPU s |
|---|---:|---:|---:|---:|---:|---:|---:|"""


def read_recipe(recipe: Path, folder: Path, root: str | None, changes: list[str]) -> Params:
    """The recipe with its root and the changes `dotted.key=value`, checked as any params file."""
    yaml = YAML()
    content = yaml.load(recipe)
    if root is not None:
        content["fetch"]["options"]["root"] = root
    for change in changes:
        path, _, value = change.partition("=")
        *parents, last = path.split(".")
        place: Any = content
        for name in parents:
            place = place[name]
        place[last] = YAML(typ="safe", pure=True).load(value)
    yaml.dump(content, folder / "params.yaml")
    return load_checked(folder / "params.yaml")


def prepare(workspace: Workspace, params: Params) -> None:
    """Fetch, validate and scale."""
    schema = workspace.root / params.schema_path
    schema.parent.mkdir(parents=True)
    shutil.copy(HERE / params.schema_path, schema)
    fetch(workspace, params.fetch)
    validate_raw(workspace, params.validate, params.schema_path)
    scale(workspace, params.scale, seed=params.seed)


def measure(workspace: Workspace, params: Params, name: str) -> str:
    """Train and evaluate with one seed; a row of the table."""

    def tell(record: EpochRecord) -> None:
        sys.stderr.write(
            f"{name} seed {params.seed} epoch {record.epoch}: train {record.train_loss:.4f} "
            f"valid {record.valid_loss:.4f} accuracy {1 - record.valid_error:.4f} "
            f"{record.rows_per_second:,.0f} rows/s\n"
        )
        sys.stderr.flush()

    wall, cpu = time.perf_counter(), time.process_time()
    result = train(workspace, params, tell)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    figures = evaluate(workspace, params)
    return (
        f"| {name} | {params.seed} | {figures['test']['accuracy']:.4f} | "
        f"{figures['valid']['accuracy']:.4f} | {figures['test']['log_loss']:.4f} | "
        f"{result.kept_epoch} of {len(result.history)} | {wall:.0f} | {cpu:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--root", help="a folder with the data set's four IDX files")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="instead of the recipe's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        try:
            params = read_recipe(options.recipe, Path(folder), options.root, options.set)
        except ParamsError as error:
            sys.exit(str(error))
        params = dataclasses.replace(params, threads=options.threads or params.threads)
        prepare(workspace, params)
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            row = measure(workspace, dataclasses.replace(params, seed=seed), options.recipe.stem)
            print(row, flush=True)


if __name__ == "__main__":
    main()
