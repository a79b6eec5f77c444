"""The text of a first params.yaml: commented, with defaults that suit the size of the table."""

import io
import json
from dataclasses import dataclass
from string import Template
from typing import Any, Literal

from ruamel.yaml import YAML

from layerline.config import Task
from layerline.validation.schema.definitions import TableSchema

FEW_ROWS = 2_000  # below it an epoch has few steps, and a training needs more of them
FOLDED_ROWS = (
    5_000  # below it validation rows are few: they choose badly, and are missed in training
)
MANY_ROWS = 10_000  # from here on a larger batch learns as well and faster
VERY_MANY_ROWS = 50_000  # from here on members take long, and gain less
BEST_MINUTES = 60  # within which a training without haste ends
MANY_INPUTS = 500  # beyond it embeddings cost more time and memory than they are worth

_NUMBERS = ("regression", "multi_regression")

Effort = Literal["fast", "distil", "best"]

_TEMPLATE = Template("""\
# yaml-language-server: $$schema=schemas/params.schema.json
# Every choice that changes a result, one section per stage; YAML 1.2. Unknown keys are refused.
project: $project  # names the MLflow experiment and the registered model
seed: 0
threads: auto  # or a number; another number of threads gives slightly different weights

fetch:  # where the data come from
  source: files
  options:
$options
  target: $target  # the column to predict, or a list of several
  # $reason
  task: $task  # auto, binary, multiclass or regression$more_tasks

validate:  # the schema is yours to edit: data/schemas/$project.yaml
  schema: data/schemas/$project.yaml
  on_bad_rows: fail  # or quarantine: set bad rows aside, each with its reason
  max_bad_fraction: 0.05  # more bad rows than this fail even then
  min_class_rows: 3

scale:  # fitted on train rows alone
  split: $split  # or group, time, random, stratified, column, official
  numeric: standard
  categorical: $categorical  # one_hot, embedding or target; by column: docs/scaling.md
$dates  missing: median  # or mean, most_frequent, zero; by column: docs/scaling.md
  missing_indicator: true  # one more feature for each column that has gaps
  target: standard  # for regression, or log, quantile, none; predictions come in its own unit

train:
$train
  # members: several networks that differ, as one, on folds of few rows; without both a single one

evaluate:
  bootstrap: 1000  # resamples for the confidence intervals; 0 leaves them out
  confidence: 0.95

register:
  gate: {metric: auto, confidence: 0.95}  # when a new model becomes the champion
  alias: champion
""")
_DATES = "  dates: calendar  # trend and season; or days (since 1970), parts, cyclic\n"


@dataclass(frozen=True, kw_only=True)
class Table:
    """What params.yaml specifies of the user's table."""

    targets: tuple[str, ...]
    task: Task
    task_reason: str
    source_options: dict[str, Any]
    split: str  # as YAML
    schema: TableSchema
    n_rows: int
    effort: Effort | None = None


def params_text(project: str, table: Table) -> str:
    """params.yaml for a table, with comments."""
    options = (f"    {key}: {scalar(value)}" for key, value in table.source_options.items())
    categorical, n_inputs = _encode_categories(table.schema)
    training = default_training(table.n_rows, n_inputs, table.task, table.effort)
    if table.effort == "best":
        training |= best_training(table.n_rows)
    return _TEMPLATE.substitute(
        project=project,
        options="\n".join(options),
        target=scalar(table.targets[0] if len(table.targets) == 1 else list(table.targets)),
        more_tasks="; of several multi_regression or multilabel" if len(table.targets) > 1 else "",
        reason=" ".join(table.task_reason.split()),
        task=table.task,
        split=table.split,
        categorical=categorical,
        dates=_DATES if any(column.kind == "date" for column in table.schema.features) else "",
        train=_indented(_yaml(training), 2),
    )


def default_training(
    n_rows: int, n_inputs: int, task: Task, effort: Effort | None = None
) -> dict[str, Any]:
    """The section `train` to start from, by the size of the table; if fast, of one network.

    Embedded, an MLP finds thresholds in single features as trees do; batch norm next to it
    over-fits; of few rows it learns better from straight lines on. Members that differ in rate,
    decay, dropout and bins, chosen by the validation rows or, of few rows, each on another fold,
    are better than any of them.
    benchmarks/results/tables.md has what each of this brings.
    """
    options = {"hidden": [256, 128], "activation": "relu", "dropout": 0.1}
    if n_inputs <= MANY_INPUTS:
        embeddings: dict[str, Any] = {"name": "piecewise_linear", "width": 8, "bins": 32}
        if n_rows < FOLDED_ROWS:
            embeddings["first_slope"] = 0.3
        options |= {"norm": "none", "numeric_embeddings": embeddings}
    else:
        options |= {"norm": "batch"}
    members: dict[str, Any] = {"count": _count_members(n_rows, task), "keep": "greedy"}
    folds = {}
    if effort == "distil":
        members["distil"] = True
    elif n_rows < FOLDED_ROWS:
        members["keep"], folds = "all", {"folds": members["count"]}
    return {
        "network": "mlp",
        "options": options,
        "loss": "auto",
        "optimizer": {"name": "adamw", "learning_rate": _rate(n_rows, task), "weight_decay": 0.01},
        "schedule": {"name": "cosine"},
        "batch_size": _batch_size(n_rows, task),
        "epochs": 200 if n_rows < FEW_ROWS else 100,
        "early_stopping": _stopping(n_rows, task),
        **({} if effort == "fast" else {"members": members, **folds}),
    }


def _count_members(n_rows: int, task: Task) -> int:
    """Fewer where each takes long; of few rows one for each fold; numbers gain more from them."""
    if n_rows >= VERY_MANY_ROWS:
        return 4
    return 8 if n_rows < FOLDED_ROWS or task in _NUMBERS else 6


def _batch_size(n_rows: int, task: Task) -> int:
    """An epoch of few rows has few steps; two classes need fewer of them than anything else."""
    return 256 if n_rows >= (FOLDED_ROWS if task == "binary" else MANY_ROWS) else 128


def _rate(n_rows: int, task: Task) -> float:
    """Of many rows classes are learnt as well, and sooner, at twice the rate."""
    return 0.002 if n_rows < FOLDED_ROWS or task in _NUMBERS else 0.004


def _stopping(n_rows: int, task: Task) -> dict[str, int]:
    """When a training ends: classes are over-fitted in few epochs, numbers get better for long.

    A validation curve of numbers is so noisy while the rate is high that a short patience would
    cool down too early.
    """
    if task in _NUMBERS:
        return {"patience_epochs": 40 if n_rows < FEW_ROWS else 20}
    return {"patience_epochs": 7 if n_rows < FOLDED_ROWS else 10, "cooldown_epochs": 5}


def best_training(n_rows: int) -> dict[str, Any]:
    """What replaces parts of `default_training` where time hardly counts, up to a budget."""
    is_large = n_rows >= VERY_MANY_ROWS
    return {
        "members": {"count": 8 if is_large else 16, "keep": "all"},
        "folds": 4 if is_large else 8,
        "epochs": 100 if is_large else 200,
        "early_stopping": {
            "patience_epochs": 20 if is_large else 40,
            "time_minutes": BEST_MINUTES,
        },
    }


def _encode_categories(schema: TableSchema) -> tuple[str, int]:
    """`scale.categorical`, and about how many inputs the network will then have.

    One for a number, one for each level of a category; where these are too many to embed the
    numbers beside them, a category is one code, whose vector is learnt.
    """
    n_levels = sum(len(column.levels) if column.levels else 1 for column in schema.features)
    if n_levels > MANY_INPUTS >= len(schema.features):
        return "embedding", len(schema.features)
    return "one_hot", n_levels


def scalar(value: Any) -> str:
    """As YAML: a JSON string is one, whatever is in it."""
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
