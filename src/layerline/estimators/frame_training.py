"""`layerline.fit`: the pipeline's stages on rows, in a private folder that is then removed."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from numpy.typing import NDArray

from layerline.artifacts import Workspace, find_workspace
from layerline.artifacts.temporary import memory_folder, temporary_folder
from layerline.config import Params, Task
from layerline.errors import LayerlineError
from layerline.estimators.changed_params import changed
from layerline.estimators.fitted_model import FittedModel, files_of
from layerline.estimators.user_table import Names, Targets, named_columns, to_arrow
from layerline.evaluation.evaluate import measure_model
from layerline.evaluation.history import read_history
from layerline.origins import SourceContext, find_preprocessor, find_start
from layerline.projects.init import Wishes, start_project
from layerline.projects.preflight import check_params
from layerline.registry.candidate import write_model
from layerline.registry.holdout import read_holdout
from layerline.scaling.scale import scale as scale_rows
from layerline.sources.fetch import fetch
from layerline.tables.storage import TABLE, write_table
from layerline.training.device import torch_restored
from layerline.training.progress import progress_shown
from layerline.training.train import train as train_network
from layerline.validation.refusal import warning_lines
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw

PROJECT = "model"  # what a model calls its project
Report = Callable[[str], None]
# In memory only where there is room for the stages' files and for a training's snapshots.
_COPIES, _ROOM = 30, 1 << 28


@dataclass(frozen=True)
class _PrivateWorkspace(Workspace):
    """A folder of its own, also inside a DVC stage."""

    @property
    def home(self) -> Path:
        return self.root


def fit(
    data: pd.DataFrame | NDArray[Any] | str | Path,
    target: Targets,
    *,
    task: Literal["auto"] | Task = "auto",
    seed: int = 0,
    scale: Mapping[str, Any] | None = None,
    weights: Targets | None = None,
    verbose: bool = False,
    **train: Any,
) -> FittedModel:
    """Train on rows, with the defaults and the very results of `layerline init` and `dvc repro`.

    Neither DVC nor MLflow is involved, and nothing is written outside a temporary folder.

    Args:
        data: the rows, a column each; a column `split` that holds train, valid and test decides
            the split, as for `layerline init`. Or a file, as `layerline init` reads it.
        target: the column to predict, or one value for each row; of a file the column. A list of
            columns, or a frame, is several targets: all numbers, or all of two levels.
        task: binary, multiclass or regression, multi_regression or multilabel; auto finds it.
        seed: as in params.yaml.
        scale: changes to the section scale of params.yaml.
        weights: what each row counts: a column of positive numbers, or one for each row.
        verbose: print what the stages report and the test figures, and show the progress.
        train: changes to the section train of params.yaml: `epochs=30, optimizer={"learning_rate":
            0.01}`, or by a dotted path, `**{"optimizer.learning_rate": 0.01}`. Without `members`
            (`members=None`) a single network is trained, so much faster.

    Raises:
        ParamsError: a param is unknown or has a wrong value; the message has them all.
        DataError: the rows cannot be learnt from.
        DivergedError: the loss was not finite.

    >>> frame = pd.DataFrame({"x": range(200), "y": [n // 100 for n in range(200)]})
    >>> fit(frame.sample(frac=1, random_state=0), "y", members=None, epochs=20).task
    'binary'
    """
    rows, name, weighing = named_columns(data, target, weights)
    fetch = {} if weighing is None else {"weights": weighing}
    if train.get("members", ...) is None:
        train = {"folds": None, **train}
    changes = {"seed": seed, "fetch": fetch, "scale": scale or {}, "train": train}
    if isinstance(rows, pd.DataFrame):
        return train_table(rows, name, changes, task=task, verbose=verbose)
    with temporary_folder() as folder, _in_users_words(rows, str(data)):
        return _train_file(rows, name, changes, folder, task=task, verbose=verbose)


def train_table(
    table: pd.DataFrame,
    target: Names,
    changes: Mapping[str, Any],
    *,
    task: Literal["auto"] | Task = "auto",
    verbose: bool = False,
) -> FittedModel:
    """Train on a table that has its target, with changes to any section of params.yaml.

    Raises:
        LayerlineError: as `fit`.
    """
    rows = to_arrow(table)
    with temporary_folder(memory_folder(_ROOM + _COPIES * rows.nbytes)) as folder:
        file = folder / TABLE
        with _in_users_words(file, "the frame"):
            write_table(file, rows)
            return _train_file(file, target, changes, folder, task=task, verbose=verbose)


def _train_file(
    file: Path,
    target: Names,
    changes: Mapping[str, Any],
    folder: Path,
    *,
    task: Literal["auto"] | Task,
    verbose: bool,
) -> FittedModel:
    """Train on a file, in a folder that is thrown away."""
    notes: list[str] = []

    def report(text: str) -> None:
        text = _without_files(text)
        notes.append(text)
        if verbose:
            print(text, flush=True)  # noqa: T201 - asked for

    with torch_restored(), progress_shown(verbose):
        workspace = _PrivateWorkspace(folder / "project")
        start = start_project(file, target, PROJECT, root=workspace.root, wishes=Wishes(task=task))
        start.params["fetch"]["options"]["path"] = str(file.absolute())  # no project has it
        raw = changed(start.params, changes)
        params = check_params(raw, "layerline.fit")
        for note in start.notes:
            report(note)
        write_schema(workspace.root / params.schema_path, start.schema)
        metrics = _run_stages(workspace, params, report)
        write_model(folder / "bundle", workspace, params, read_holdout(workspace, params.scale))
        fitted = FittedModel(
            files_of(folder / "bundle"),
            metrics=metrics,
            history=read_history(workspace.reports / "history.csv"),
            params={key: value for key, value in raw.items() if key != "fetch"},
            notes=notes,
        )
    if verbose:
        print(fitted, flush=True)  # noqa: T201 - asked for
    return fitted


def _run_stages(
    workspace: Workspace, params: Params, report: Report
) -> dict[str, dict[str, float]]:
    """Fetch, validate, scale, train and evaluate, as the scripts in pipeline/ do."""
    context = SourceContext(find_workspace(), params.project, params.register.alias)
    preprocessor, transfer = params.scale.preprocessor, params.train.transfer
    fetch(workspace, params.fetch)
    about = validate_raw(workspace, params.validate, params.schema_path)
    for line in warning_lines(about["warnings"], "")[:-1]:
        report(f"warning: {line}")
    reused = None if preprocessor is None else find_preprocessor(context, preprocessor.source)
    scale_rows(workspace, params.scale, seed=params.seed, reused=reused, report=report)
    source = None if transfer is None else find_start(context, transfer)
    train_network(workspace, params, lambda record: None, report, source)
    return measure_model(workspace, params)


@contextlib.contextmanager
def _in_users_words(file: Path, shown: str) -> Iterator[None]:
    """Let messages name what the user gave, and arguments, not files that nobody ever sees."""
    try:
        yield
    except LayerlineError as error:
        text = re.sub(r"\nall of it: reports/.*", "", str(error))
        for words in (str(file), f"data/raw/{TABLE}"):
            text = text.replace(words, shown)
        text = re.sub(r"(?:\bfetch\.|--)(target|task|weights)\b", r"\1", text)
        error.args = (_without_files(text),)
        raise


# What a project has and a frame has not -> what there is to do instead.
_REMEDIES = {
    r"; or set validate\.on_bad_rows: quarantine": "",
    r": `dvc repro` ends at such rows; validate\.on_bad_rows: quarantine sets them aside": (
        "; drop these rows"
    ),
    r", at which `dvc repro` ends(: add rows, merge or drop them), or set validate\.\w+": r"\1",
    r"write use: false, or accept: \[\w+\], for columns\..+? in data/schemas/\S+\.yaml": (
        "if so, leave the column out"
    ),
    r"write use: false for it(?: in the schema)?": "leave it out",
}


def _without_files(text: str) -> str:
    for pattern, remedy in _REMEDIES.items():
        text = re.sub(pattern, remedy, text)
    return text
