"""params.yaml and a first schema for a user's own table: what `layerline init` writes."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from ruamel.yaml import YAML

from layerline.artifacts.temporary import temporary_folder
from layerline.columns.forms import Choices
from layerline.columns.written import Written
from layerline.config import Task, parse_params
from layerline.errors import DataError, ParamsError, Problem, SourceError
from layerline.projects.params_text import MANY_ROWS, Effort, Table, params_text
from layerline.scaling.splitting import find_salt, hash_rows, separate_observations
from layerline.sources.reading.dialect import Dialect
from layerline.sources.reading.display_names import renamed, shown_as
from layerline.sources.reading.paths import display_name, find_files, find_partitions
from layerline.sources.reading.reader import Reading, open_files
from layerline.tables.storage import SPLIT_VALUES, TABLE, require_target, write_tables
from layerline.tables.task import resolve_tasks
from layerline.validation.schema.advice import advice
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.raw_columns import RawColumns

SPLIT_NAME = "split"


class Wishes(NamedTuple):
    """What the user decides; the rest is found in the table."""

    effort: Effort | None = None  # a single network; one that learns from several; many on folds
    task: Literal["auto"] | Task = "auto"
    size: tuple[int, int] | None = None  # (height, width) of pictures


NO_WISHES = Wishes()


class Start(NamedTuple):
    """What `layerline init` writes and prints."""

    params_text: str  # params.yaml, commented
    params: dict[str, Any]  # the same, as a mapping
    schema: TableSchema
    notes: tuple[str, ...]


def start_project(
    file: Path,
    target: str | tuple[str, ...],
    project: str,
    *,
    root: Path | None = None,
    given: Mapping[str, Any] | None = None,
    wishes: Wishes = NO_WISHES,
) -> Start:
    """Read the user's table, find its task, infer its schema and compose its params.

    Args:
        file: a file or a folder of files, as the source `files` takes it.
        target: the column to predict, or several.
        project: names the experiment, the registered model and the schema file.
        root: the repository; a path inside it is written relative to it.
        given: options of the source `files` that the user gave: encoding, decimal, dates, ...
        wishes: what else the user decides.

    Raises:
        DataError, SourceError, ParamsError: as the source `files` does.
    """
    _, problems = parse_params({"project": project, "fetch": {"source": "files"}})
    if problems:
        raise ParamsError(problems, "--project")
    given, targets = dict(given or {}), (target,) if isinstance(target, str) else target
    _require_possible(targets, wishes)
    path = written_path(file, (root or Path.cwd()).resolve())
    with temporary_folder() as folder:
        reading = _read(folder, file, targets, given)
        options = {"path": path, **_decided(reading.written), **given}
        table, notes = _describe(RawColumns(folder), reading, targets, options, wishes)
    text = params_text(project, table)
    return Start(text, YAML(typ="safe", pure=True).load(text), table.schema, notes)


def _require_possible(targets: tuple[str, ...], wishes: Wishes) -> None:
    problems = []
    if len(set(targets)) < len(targets):
        twice = next(name for name in targets if targets.count(name) > 1)
        problems.append(Problem("--target", f"names {twice!r} more than once"))
    if wishes.effort == "distil" and len(targets) > 1:
        problems.append(Problem("--distil", "learns the answers for one target; remove it"))
    if problems:
        raise ParamsError(problems, "layerline init")


def _describe(
    columns: RawColumns,
    reading: Reading,
    targets: tuple[str, ...],
    options: dict[str, Any],
    wishes: Wishes,
) -> tuple[Table, tuple[str, ...]]:
    """What params.yaml is written from, and notes for the user."""
    found, reason = resolve_tasks(columns.__getitem__, targets, wishes.task)
    split_column = SPLIT_NAME if _says_split(columns, targets) else None
    schema = infer_schema(columns, targets, found, split_column, None, reading.written)
    split = f"{{method: column, column: {split_column}}}" if split_column else None
    table = Table(
        targets=targets,
        task=found,
        task_reason=reason,
        source_options=options,
        split=split or _by_content(columns, schema),
        schema=schema,
        n_rows=len(columns),
        effort=wishes.effort,
    )
    notes = [*reading.notes, reason, *advice(columns, schema)]
    if split_column:
        notes.append(f"column {split_column!r} has the split of each row: train, valid or test")
    return table, tuple(notes)


def _read(folder: Path, file: Path, targets: tuple[str, ...], given: Mapping[str, Any]) -> Reading:
    """Copy the user's table into `folder`, from where its columns are read one by one.

    Messages name options of the command instead of params.
    """
    dialect = Dialect(
        given.get("separator"), given.get("encoding"), tuple(given.get("missing", ()))
    )
    try:
        files = find_files(str(file))
        names = {str(one): shown for one in files if (shown := display_name(one))}
        with shown_as(names):
            reading = open_files(
                files,
                dialect,
                given.get("text", ()),
                find_partitions(str(file), files),
                given.get("union", False),
                choices=Choices.of(given.get("decimal"), given.get("dates"), targets),
            )
            require_target(reading.schema.names, targets, str(file))
            write_tables(folder / TABLE, reading.schema, reading.tables())
        reading.notes = [renamed(note, names) for note in reading.notes]
        return reading
    except ParamsError as error:
        problems = [Problem(_as_options(where), message) for where, message in error.problems]
        raise ParamsError(problems, "layerline init") from None
    except (DataError, SourceError) as error:
        raise type(error)(_as_options(str(error))) from None


def _as_options(message: str) -> str:
    """`set fetch.options.separator: ';'` -> `set --separator ';'`."""
    words = message.replace("fetch.options.union: true", "--union")
    words = words.replace("set fetch.options.path", "correct FILE")
    words = words.replace("fetch.options.path", "FILE").replace("fetch.target", "--target")
    return re.sub(r"fetch\.options\.(\w+):", r"--\1", words).replace("fetch.options.", "--")


def _decided(written: Mapping[str, Written]) -> dict[str, Any]:
    """What the values have shown, as options: later rows may leave it open."""
    marks = {form.decimal for form in written.values() if form.decimal == "," or form.thousands}
    orders = {
        name: form.dates
        for name, form in written.items()
        if form.dates in ("day_first", "month_first", "short_year_first")
    }
    options: dict[str, Any] = {"decimal": marks.pop()} if len(marks) == 1 else {}
    return options | ({"dates": orders} if orders else {})


def _by_content(columns: RawColumns, schema: TableSchema) -> str:
    """The split by hash; of a small table with a salt that leaves no split empty."""
    if len(columns) > MANY_ROWS:
        return "{method: hash}"
    hashes = hash_rows(
        pd.DataFrame({column.name: columns[column.name] for column in schema.features})
    )
    classes = None if schema.classes is None else columns[schema.target]
    hashes = separate_observations(hashes, lambda: _together(columns, schema.targets))
    salt = find_salt(hashes, classes)
    return f"{{method: hash, salt: {salt}}}" if salt else "{method: hash}"


def _together(columns: RawColumns, names: tuple[str, ...]) -> pd.Series:
    """The target; of several the hash of their values."""
    if len(names) == 1:
        return columns[names[0]]
    return pd.Series(hash_rows(pd.DataFrame({name: columns[name] for name in names})))


def _says_split(columns: RawColumns, targets: tuple[str, ...]) -> bool:
    if SPLIT_NAME in targets or SPLIT_NAME not in columns:
        return False
    found = set(columns[SPLIT_NAME].unique())
    return found <= set(SPLIT_VALUES) and {"train", "test"} <= found


def written_path(file: Path, root: Path) -> str:
    """The path from the root, also of what is outside of it: params.yaml and dvc.yaml are in git.

    Links stay as they are: `latest.csv` may lead elsewhere tomorrow.

    >>> written_path(Path("/data/houses.csv"), Path("/home/ada/prices"))
    '../../../data/houses.csv'
    """
    place = Path(os.path.abspath(file.expanduser()))  # noqa: PTH100 - Path.resolve follows links
    for known in (place, place.parent.resolve() / place.name):
        if known.is_relative_to(root):
            return known.relative_to(root).as_posix()
    return Path(os.path.relpath(place, root)).as_posix()
