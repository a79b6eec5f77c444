"""params.yaml and a first schema for a user's own table: what `layerline init` writes."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from ruamel.yaml import YAML

from layerline.config import Task, parse_params
from layerline.errors import ParamsError
from layerline.scaling.splitting import find_salt, hash_rows
from layerline.sources.reading.delimited import Dialect, separator_of
from layerline.sources.reading.paths import find_files, find_partitions, kind_of
from layerline.sources.reading.reader import read_files
from layerline.tables.storage import SPLIT_VALUES, require_target, to_frame
from layerline.tables.task import resolve_task
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.infer import advice, infer_schema

SPLIT_NAME = "split"
MANY_ROWS = 10_000  # from here on a larger batch learns as well and faster
MANY_INPUTS = 500  # beyond it embeddings cost more time and memory than they are worth


class Start(NamedTuple):
    """What `layerline init` writes, and says."""

    params_text: str  # params.yaml, commented
    params: dict[str, Any]  # the same, as a mapping
    schema: TableSchema
    notes: tuple[str, ...]


def start_project(file: Path, target: str, project: str, *, root: Path | None = None) -> Start:
    """Read the user's table, find its task, infer its schema and write its params.

    Args:
        file: a file or a folder of files, as the source `files` takes it.
        target: the column to predict.
        project: names the experiment, the registered model and the schema file.
        root: the repository; a path inside it is written relative to it.

    Raises:
        DataError, SourceError, ParamsError: as the source `files` does.
    """
    _, problems = parse_params({"project": project, "fetch": {"source": "files"}})
    if problems:
        raise ParamsError(problems, "--project")
    files = find_files(str(file))
    read = read_files(files, partitions=find_partitions(str(file), files))
    require_target(read.table.column_names, target, str(file))
    frame = to_frame(read.table)
    task, reason = resolve_task(frame[target])
    split_column = SPLIT_NAME if _says_split(frame, target) else None
    schema = infer_schema(frame, target, task, split_column)
    options = {"path": _written_path(file, (root or Path.cwd()).resolve())}
    separator = separator_of(files[0], Dialect()) if kind_of(files[0]) == "CSV" else ","
    if separator != ",":
        options["separator"] = separator
    split = _by_content(frame, schema)
    if split_column:
        split = f"{{method: column, column: {split_column}}}"
    text = _params_text(project, target, task, reason, options, split, schema, len(frame))
    notes = [*read.notes, reason, *advice(frame, schema)]
    if split_column:
        notes.append(f"column {split_column!r} says which rows are for train, valid and test")
    return Start(text, YAML(typ="safe", pure=True).load(text), schema, tuple(notes))


def _by_content(frame: pd.DataFrame, schema: TableSchema) -> str:
    """The split by hash; of a small table with a salt that leaves no split empty."""
    if len(frame) > MANY_ROWS:
        return "{method: hash}"
    hashes = hash_rows(frame[[column.name for column in schema.features]])
    classes = None if schema.classes is None else frame[schema.target]
    salt = find_salt(hashes, classes)
    return f"{{method: hash, salt: {salt}}}" if salt else "{method: hash}"


def _says_split(frame: pd.DataFrame, target: str) -> bool:
    if target == SPLIT_NAME or SPLIT_NAME not in frame or frame[SPLIT_NAME].isna().any():
        return False
    found = set(frame[SPLIT_NAME].unique())
    return found <= set(SPLIT_VALUES) and {"train", "test"} <= found


def _written_path(file: Path, root: Path) -> str:
    place = file.expanduser().resolve()
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else str(place)


def default_training(n_rows: int, n_inputs: int) -> dict[str, Any]:
    """The section `train` to start from, by the size of the table.

    Embedded, an MLP finds thresholds in single features as trees do; batch norm beside it
    over-fits. benchmarks/results/tables.md has what it brings.
    """
    options = {"hidden": [256, 128], "activation": "relu", "dropout": 0.1}
    if n_inputs <= MANY_INPUTS:
        embeddings = {"name": "piecewise_linear", "width": 8, "bins": 32}
        options |= {"norm": "none", "numeric_embeddings": embeddings}
    else:
        options |= {"norm": "batch"}
    return {
        "network": "mlp",
        "options": options,
        "loss": "auto",
        "optimizer": {"name": "adamw", "learning_rate": 0.002, "weight_decay": 0.01},
        "schedule": {"name": "cosine"},
        "batch_size": 256 if n_rows >= MANY_ROWS else 128,
        "epochs": 200,
        "early_stopping": {"patience_epochs": 40},
    }


def _count_inputs(schema: TableSchema) -> int:
    """What the network will read, roughly: a number a column, one a level of a category."""
    return sum(len(column.levels) if column.levels else 1 for column in schema.features)


def _params_text(
    project: str,
    target: str,
    task: Task,
    reason: str,
    options: dict[str, str],
    split: str,
    schema: TableSchema,
    n_rows: int,
) -> str:
    written_options = "\n".join(f"    {key}: {_scalar(value)}" for key, value in options.items())
    training = default_training(n_rows, _count_inputs(schema))
    return f"""\
# Every choice that changes a result, one section a stage; YAML 1.2. Unknown keys are refused.
project: {project}  # names the MLflow experiment and the registered model
seed: 0
threads: auto  # or a number; another number of threads gives slightly other weights

fetch:  # where the data come from
  source: files
  options:
{written_options}
  target: {_scalar(target)}  # the column to predict
  # {" ".join(reason.split())}
  task: {task}  # auto, binary, multiclass or regression

validate:  # the schema is yours to edit: data/schemas/{project}.yaml
  schema: data/schemas/{project}.yaml
  on_bad_rows: fail  # or quarantine: set bad rows aside, each with its reason
  max_bad_fraction: 0.05  # more bad rows than this fail even then
  min_class_rows: 3

scale:  # fitted on train rows alone
  split: {split}  # or group, time, random, stratified, column, official
  numeric: standard
  categorical: one_hot
  missing: median  # or mean, most_frequent, zero; by column: docs/scaling.md
  missing_indicator: true  # one more feature for each column that has gaps
  target: standard  # of regression, or log, quantile, none; predictions come in its own unit

train:
{_indented(_yaml(training), 2)}
  # restarts: {{seeds: 4, keep: ensemble}}  # a mean of four: better, in four times the time

evaluate:
  bootstrap: 1000  # resamples for the confidence intervals; 0 leaves them out
  confidence: 0.95

register:
  gate: {{metric: auto, confidence: 0.95}}  # when a new model becomes the champion
  alias: champion
"""


def _scalar(value: str) -> str:
    # A JSON string is a YAML string, whatever is in it.
    return json.dumps(value, ensure_ascii=False)


def _yaml(value: dict[str, Any]) -> str:
    """Block style, inner mappings and lists on one line."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 1 << 20
    yaml.dump(value, stream)
    return stream.getvalue().rstrip("\n")


def _indented(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in text.splitlines())
