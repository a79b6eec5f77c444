"""The whole params file checked before any work starts: sections, component names, their options.

`layerline.config` checks what needs no component; here every table is consulted as well, so that a
misspelt network is refused by the first stage and not after an hour of fetching. All problems are
reported at once.

    python -m layerline.projects.preflight params.yaml

checks in a separate process: the tables of networks and optimizers import torch, and the first
stage imports what it needs meanwhile.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.config import Params, credential_problems, load_params, parse_params, read_yaml
from layerline.errors import LayerlineError, ParamsError, Problem
from layerline.lookup import option_problems, pick
from layerline.process import collect_rarely, module_command
from layerline.projects.combinations import combination_problems
from layerline.text import listing

if TYPE_CHECKING:
    from layerline.projects.component_tables import Place

NAMED_BY_DVC = ("seed", "threads", "validate", "scale", "train", "evaluate", "register")
MISSING = "is missing; write it, if only as {}: dvc.yaml names it, and DVC stops without it"


def load_checked(path: Path) -> Params:
    """Read params.yaml and check it against every table.

    Raises:
        ParamsError: with every problem found, each with its dotted path.
    """
    params = check_params(read_yaml(path), path.name)
    if problems := _column_problems(params, path.parent / params.schema_path):
        raise ParamsError(problems, path.name)
    return params


def check_params(raw: Any, name: str) -> Params:
    """Check the content of a params file against every table; `name` is what messages call it.

    Raises:
        ParamsError: with every problem found, each with its dotted path.
    """
    from layerline.projects.component_tables import PLACES

    params, problems = parse_params(raw)
    if isinstance(raw, Mapping):
        problems += [Problem(key, MISSING) for key in NAMED_BY_DVC if key not in raw]
        for place in PLACES:
            problems += _component_problems(raw, place)
        problems += _floor_problems(raw)
        known = {problem.where for problem in problems}
        problems += [p for p in credential_problems(raw, thorough=True) if p.where not in known]
    if params is not None and not problems:
        problems = combination_problems(params)
    if params is None or problems:
        raise ParamsError(problems, name)
    return params


def load_or_report_all(path: Path) -> Params:
    """Read params.yaml; if a section is wrong, report the components' problems as well."""
    try:
        return load_params(path)
    except ParamsError:
        return load_checked(path)


@contextlib.contextmanager
def checking(path: Path) -> Iterator[None]:
    """Check params.yaml in another process while the block runs; the block ends with its verdict.

    In this process, where torch was imported already: by the process that it is a fork of.

    Raises:
        ParamsError: with every problem found.
    """
    if "torch" in sys.modules:
        yield
        load_checked(path)
        return
    command = module_command("layerline.projects.preflight", str(path))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as check:
        try:
            yield
            _, message = check.communicate()
        finally:
            check.kill()
    if check.returncode:
        raise PreflightError(check.returncode, message.strip())


class PreflightError(LayerlineError):
    """The message and the exit code of the checking process."""

    def __init__(self, exit_code: int, message: str) -> None:
        self.exit_code = exit_code
        super().__init__(message)


def main(arguments: list[str]) -> int:
    """Check the file; write its problems to stderr and return the exit code."""
    collect_rarely()
    try:
        load_checked(Path(arguments[0]))
    except LayerlineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _component_problems(raw: Mapping[str, Any], place: "Place") -> list[Problem]:
    section = raw.get(place.section)
    if not isinstance(section, Mapping) or place.key not in section:
        return []  # defaults are right; a section of a wrong type has been reported already
    where = f"{place.section}.{place.key}"
    value = section[place.key]
    if place.name_key is None:
        options_at = f"{place.section}.options"
        return _entry_problems(place, value, section.get("options", {}), where, options_at)
    problems = []
    for at, entry in _entries(value, where):
        name, options = entry, {}
        if isinstance(entry, Mapping):
            name = entry.get(place.name_key)
            options = {key: option for key, option in entry.items() if key != place.name_key}
        problems += _entry_problems(place, name, options, at, at)
    return problems


def _entries(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Each component of a list, or of a default and columns, with its dotted path; or the one."""
    if isinstance(value, list):
        yield from ((f"{where}.{index}", entry) for index, entry in enumerate(value))
    elif isinstance(value, Mapping) and value and set(value) <= {"default", "columns"}:
        if "default" in value:
            yield f"{where}.default", value["default"]
        columns = value.get("columns")
        for column, entry in columns.items() if isinstance(columns, Mapping) else ():
            yield f"{where}.columns.{column}", entry
    else:
        yield where, value


def _entry_problems(
    place: "Place", name: Any, options: Any, where: str, options_at: str
) -> list[Problem]:
    if not isinstance(name, str) or not isinstance(options, Mapping):
        return []
    if place.check is not None:
        return place.check(name, options)
    try:
        builder = pick(place.table, name, where, place.own)
    except ParamsError as error:
        return [Problem(where, problem.message) for problem in error.problems]
    return option_problems(builder, options, options_at)


def _column_problems(params: Params, schema_path: Path) -> list[Problem]:
    """Columns of train.monotone that the schema, where there is one, does not have as numbers."""
    if not params.train.monotone or not schema_path.is_file():
        return []
    from layerline.validation.schema.schema_file import read_schema

    schema = read_schema(schema_path)
    numbers = [column.name for column in schema.features if column.kind == "number"]
    message = f"is no number that the network reads, by {params.schema_path}"
    known = f"; numbers: {listing(numbers, 20)}" if numbers else ""
    problems = [
        Problem(f"train.monotone.{name}", f"{message}{known}")
        for name in params.train.monotone
        if name not in numbers or schema.image_shape is not None
    ]
    if schema.task == "multiclass":
        from layerline.training.monotone import MANY_CLASSES

        problems.append(Problem("train.monotone", f"{schema.target!r}: {MANY_CLASSES}"))
    return problems


def _floor_problems(raw: Mapping[str, Any]) -> list[Problem]:
    """Floors under metrics that no task has."""
    from layerline.evaluation.metrics import METRICS

    floors: Any = raw
    for key in ("register", "gate", "floors"):
        floors = floors.get(key) if isinstance(floors, Mapping) else None
    problems: list[Problem] = []
    for name in floors if isinstance(floors, Mapping) else ():
        try:
            pick(METRICS, str(name).partition(".")[0], f"register.gate.floors.{name}")
        except ParamsError as error:
            problems += error.problems
    return problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
