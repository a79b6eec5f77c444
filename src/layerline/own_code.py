"""Components of the user's own, named by their import path: `mine.losses:huberish`.

The part before the colon is a file of the project (mine/losses.py), the part after it a class or a
function there. It is one file, which imports packages, and nothing else of the project's own: DVC
watches it, and what a registered version needs of it travels with that version as text.

Each room that takes such a name makes a line of its table of what it finds here.
"""

import contextlib
import dataclasses
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from layerline.artifacts import find_workspace
from layerline.config import Params, read_yaml
from layerline.errors import LayerlineError, ParamsError, Problem
from layerline.lookup import is_import_path
from layerline.text import first_line

_modules: dict[str, ModuleType] = {}  # by their names, which have the sha256 of the code
_PREFIX, _CONTENT = "layerline_own_", "__content__"


def own_file(name: str) -> Path:
    """The file of an import path, from the project's root."""
    return Path(*name.partition(":")[0].split(".")).with_suffix(".py")


def find_own(name: str, where: str, place: Path | None = None) -> tuple[ModuleType, Any]:
    """The module of an import path, and what it calls by the name after the colon, or None.

    Args:
        name: the import path.
        where: the key of params.yaml that has it.
        place: a copy of the file that is run instead.

    Raises:
        ParamsError: there is no such file, or it cannot be run.
    """
    path = find_workspace().root / own_file(name) if place is None else place
    try:
        content = path.read_bytes()
    except OSError:
        message = f"there is no file {own_file(name)} in the project"
        raise problem(name, where, message) from None
    try:
        module = run_code(content, str(path))
    except (Exception, SystemExit) as error:
        message = f"{own_file(name)} cannot be run: {_raised(error)}"
        if isinstance(error, ImportError):
            message += "; it may import installed packages, and no other file of the project"
        raise problem(name, where, message) from None
    return module, getattr(module, name.partition(":")[2], None)


def run_code(content: bytes, path: str) -> ModuleType:
    """The module that this code makes; the same code is run once."""
    name = f"{_PREFIX}{hashlib.sha256(content).hexdigest()}"
    if name not in _modules:
        module = ModuleType(name)
        module.__file__, module.__dict__[_CONTENT] = path, content
        sys.modules[name] = module  # where dataclasses look for the names of their annotations
        try:
            # Not imported: that would leave compiled code next to a version's files.
            exec(compile(content, path, "exec"), module.__dict__)  # noqa: S102
        except BaseException:
            del sys.modules[name]
            raise
        _modules[name] = module
    return _modules[name]


def content_of(module: ModuleType) -> bytes:
    """The code that a module was run from."""
    content: bytes = module.__dict__[_CONTENT]
    return content


def module_of(kind: type) -> ModuleType | None:
    """The module of the user's own that a class is from; None for other classes."""
    return _modules.get(kind.__module__)


def code_sha256(name: str, where: str, place: Path | None = None) -> str:
    """Of the code that an import path means now.

    Raises:
        ParamsError: as `find_own`.
    """
    return find_own(name, where, place)[0].__name__.removeprefix(_PREFIX)


def find_function(name: str, where: str, given: tuple[str, ...], form: str) -> Callable[..., Any]:
    """A function of the user's own that takes so many arguments by position.

    Args:
        name: its import path.
        where: the key of params.yaml that has it.
        given: what it is called with, by position; the other arguments are its options.
        form: how it must look, for the message.

    Raises:
        ParamsError: there is none, or it takes other arguments.
    """
    _, found = find_own(name, where)
    attribute = name.partition(":")[2]
    if not callable(found) or isinstance(found, type):
        what = "has no function" if found is None else "has no function but a value called"
        raise problem(name, where, f"{own_file(name)} {what} {attribute}; write `{form}`")
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    with calling(name, where):
        taken = [one for one in inspect.signature(found).parameters.values() if one.kind in kinds]
    if len(taken) < len(given):
        names = ", ".join(given)
        raise problem(name, where, f"{attribute} must take {names}: write `{form}`")
    return found


def with_options_of(
    build: Callable[..., Any], found: Callable[..., Any], name: str, where: str, n_given: int = 0
) -> Callable[..., Any]:
    """`build`, whose options are the arguments of `found` after those that it is given.

    Raises:
        ParamsError: its annotations name what is not there.
    """
    with calling(name, where):
        parameters = list(inspect.signature(found, eval_str=True).parameters.values())[n_given:]
    taken = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    options = [one.replace(kind=taken[1]) for one in parameters if one.kind in taken]
    build.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return build


@contextlib.contextmanager
def calling(name: str, where: str, doing: str = "cannot be run") -> Iterator[None]:
    """What the user's own code raises becomes a message.

    Raises:
        ParamsError: names the component and what it raised.
    """
    try:
        yield
    except LayerlineError:
        raise
    except (Exception, SystemExit) as error:
        raise problem(name, where, f"{doing}: {_raised(error)}") from error


def problem(name: str, where: str, message: str) -> ParamsError:
    """What is wrong with a component of the user's own, as an error to raise."""
    return ParamsError([Problem(where, f"{name}: {message}")])


def _raised(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def own_files(value: Any) -> list[str]:
    """The files of all import paths in a value of params.yaml, or of what it is made of."""
    if isinstance(value, str):
        is_there = is_import_path(value) and (find_workspace().root / own_file(value)).is_file()
        return [own_file(value).as_posix()] if is_there else []
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    parts = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping | list | tuple):
        return []
    return list(dict.fromkeys(path for part in parts for path in own_files(part)))


def files_of_stage(root: Path, params: Params, stage: str) -> list[str]:
    """The user's own files that a stage runs; those of validate are named by the schema."""
    schema = root / params.schema_path
    if stage != "validate":
        return own_files(getattr(params, stage))
    content = read_yaml(schema) if schema.is_file() else {}
    return own_files(content.get("checks", []) if isinstance(content, Mapping) else [])


def unwatched_files(root: Path, params: Params, stage: str) -> list[str]:
    """Those of them that are no dependencies of the stage in dvc.yaml."""
    files, dvc_file = files_of_stage(root, params, stage), root / "dvc.yaml"
    if not files or not dvc_file.is_file():
        return []
    deps = read_yaml(dvc_file).get("stages", {}).get(stage, {}).get("deps", [])
    return [file for file in files if file not in deps]
