"""The whole params file checked before any work starts: sections, component names, their options.

`layerline.config` checks what needs no component; here every table is asked as well, so that a
misspelt network is refused by the first stage and not after an hour of fetching. All problems are
reported at once.

    python -m layerline.projects.preflight params.yaml

checks in a process of its own: the tables of networks and optimizers import torch, and the first
stage imports what it needs meanwhile.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from layerline.config import Params, load_params, parse_params, read_yaml
from layerline.errors import LayerlineError, ParamsError, Problem
from layerline.lookup import option_problems, pick
from layerline.process import collect_rarely
from layerline.projects.combinations import combination_problems


class _Place(NamedTuple):
    """Where params.yaml names a component, and which table knows it."""

    section: str
    key: str
    named_by: str | None  # the key of the name inside the mapping; None: options lie beside it
    table: Callable[[], Mapping[str, Callable[..., Any]]] = dict
    check: Callable[[str, Mapping[str, Any]], list[Problem]] | None = None  # instead of a table


def _sources() -> Mapping[str, Callable[..., Any]]:
    from layerline.sources import SOURCES

    return SOURCES


def _network(name: str, options: Mapping[str, Any]) -> list[Problem]:
    from layerline.networks import network_problems

    return network_problems(name, options)


def _splits() -> Mapping[str, Callable[..., Any]]:
    from layerline.scaling.splitting import SPLITS

    return SPLITS


def _scalers() -> Mapping[str, Callable[..., Any]]:
    from layerline.scaling.preprocessing.scalers import SCALERS

    return SCALERS


def _imputers() -> Mapping[str, Callable[..., Any]]:
    from layerline.scaling.preprocessing.imputers import IMPUTERS

    return IMPUTERS


def _encoders() -> Mapping[str, Callable[..., Any]]:
    from layerline.scaling.preprocessing.encoders import ENCODERS

    return ENCODERS


def _dates() -> Mapping[str, Callable[..., Any]]:
    from layerline.scaling.preprocessing.encoders import DATES

    return DATES


def _targets() -> Mapping[str, Callable[..., Any]]:
    from layerline.scaling.preprocessing.target_transforms import TARGETS

    return TARGETS


def _losses() -> Mapping[str, Callable[..., Any]]:
    from layerline.training.objectives import LOSSES

    return {"auto": lambda: None, **LOSSES}


def _optimizers() -> Mapping[str, Callable[..., Any]]:
    from layerline.training.optimizers import OPTIMIZERS

    return OPTIMIZERS


def _schedules() -> Mapping[str, Callable[..., Any]]:
    from layerline.training.schedules import SCHEDULES

    return SCHEDULES


def _augmentations() -> Mapping[str, Callable[..., Any]]:
    from layerline.training.augmentation import AUGMENTATIONS

    return AUGMENTATIONS


PLACES = (
    _Place("fetch", "source", None, _sources),
    _Place("scale", "split", "method", _splits),
    _Place("scale", "numeric", "name", _scalers),
    _Place("scale", "missing", "name", _imputers),
    _Place("scale", "categorical", "name", _encoders),
    _Place("scale", "dates", "name", _dates),
    _Place("scale", "target", "name", _targets),
    _Place("train", "network", None, check=_network),
    _Place("train", "loss", "name", _losses),
    _Place("train", "optimizer", "name", _optimizers),
    _Place("train", "schedule", "name", _schedules),
    _Place("train", "augment", "name", _augmentations),
)


NAMED_BY_DVC = ("seed", "threads", "validate", "scale", "train", "evaluate", "register")
WANTED = "must be there, if only as {}: dvc.yaml names it, and DVC stops where it is missing"


def load_checked(path: Path) -> Params:
    """Read params.yaml and check it against every table.

    Raises:
        ParamsError: with every problem found, each with its dotted path.
    """
    raw = read_yaml(path)
    params, problems = parse_params(raw)
    if isinstance(raw, Mapping):
        problems += [Problem(key, WANTED) for key in NAMED_BY_DVC if key not in raw]
        for place in PLACES:
            problems += _component_problems(raw, place)
        problems += _floor_problems(raw)
    if params is not None and not problems:
        problems = combination_problems(params)
    if params is None or problems:
        raise ParamsError(problems, path.name)
    return params


def load_or_tell_all(path: Path) -> Params:
    """Read params.yaml; when a section is wrong already, tell the components' problems as well."""
    try:
        return load_params(path)
    except ParamsError:
        return load_checked(path)


@contextlib.contextmanager
def checking(path: Path) -> Iterator[None]:
    """Check params.yaml in another process while the block runs; the block ends with its verdict.

    Raises:
        ParamsError: with every problem found.
    """
    command = [sys.executable, "-m", "layerline.projects.preflight", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as check:
        try:
            yield
            _, told = check.communicate()
        finally:
            check.kill()
    if check.returncode:
        raise PreflightError(check.returncode, told.strip())


class PreflightError(LayerlineError):
    """What the checking process said, and its exit code."""

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


def _component_problems(raw: Mapping[str, Any], place: _Place) -> list[Problem]:
    section = raw.get(place.section)
    if not isinstance(section, Mapping) or place.key not in section:
        return []  # the defaults are right, and a section of a wrong type was told already
    where = f"{place.section}.{place.key}"
    value = section[place.key]
    if place.named_by is None:
        options_at = f"{place.section}.options"
        return _problems_of(place, value, section.get("options", {}), where, options_at)
    problems = []
    for at, entry in _entries(value, where):
        name, options = entry, {}
        if isinstance(entry, Mapping):
            name = entry.get(place.named_by)
            options = {key: option for key, option in entry.items() if key != place.named_by}
        problems += _problems_of(place, name, options, at, at)
    return problems


def _entries(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Each component of a list, or of a default and columns, with its dotted path; or the one."""
    if isinstance(value, list):
        yield from ((f"{where}.{index}", entry) for index, entry in enumerate(value))
    elif isinstance(value, Mapping) and isinstance(value.get("columns"), Mapping):
        if "default" in value:
            yield f"{where}.default", value["default"]
        for column, entry in value["columns"].items():
            yield f"{where}.columns.{column}", entry
    else:
        yield where, value


def _floor_problems(raw: Mapping[str, Any]) -> list[Problem]:
    """Floors under figures that no task has."""
    floors: Any = raw
    for key in ("register", "gate", "floors"):
        floors = floors.get(key) if isinstance(floors, Mapping) else None
    if not isinstance(floors, Mapping):
        return []
    from layerline.evaluation.metrics import CLASSIFICATION, QUANTILES, REGRESSION

    known = {**CLASSIFICATION, **REGRESSION, **QUANTILES}
    problems: list[Problem] = []
    for name in floors:
        try:
            pick(known, str(name), f"register.gate.floors.{name}")
        except ParamsError as error:
            problems += error.problems
    return problems


def _problems_of(
    place: _Place, name: Any, options: Any, where: str, options_at: str
) -> list[Problem]:
    if not isinstance(name, str) or not isinstance(options, Mapping):
        return []
    if place.check is not None:
        return place.check(name, options)
    try:
        builder = pick(place.table(), name, where)
    except ParamsError as error:
        return list(error.problems)
    return option_problems(builder, options, options_at)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
