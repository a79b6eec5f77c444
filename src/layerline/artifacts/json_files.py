"""JSON that an earlier stage wrote; what is not as it was written is reported as damage."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from layerline.errors import SourceError

T = TypeVar("T")


class _Facts(dict[str, Any]):
    """A JSON object of a file: a key that is missing means that the file is damaged."""

    # Pairs first: dataclasses.asdict makes copies as a dict's own type makes them.
    def __init__(
        self, content: Mapping[str, Any] | Iterable[tuple[str, Any]], path: Path | None = None
    ) -> None:
        super().__init__(content)
        self._path = path

    def __missing__(self, key: str) -> Any:
        if self._path is None:
            raise KeyError(key)
        raise damaged(self._path, f"{key!r} is missing")


def damaged(path: Path, what: str) -> SourceError:
    """The error for a file that is not as a stage wrote it."""
    return SourceError(f"{path}: damaged ({what}); remove it and run `dvc repro`")


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(
            text,
            object_hook=lambda inner: _Facts(inner, path),
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except FileNotFoundError:
        raise SourceError(f"{path}: missing; run the earlier stages first: `dvc repro`") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond what a number can hold")
    return number


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that an earlier stage wrote.

    Raises:
        SourceError: the file is missing, unreadable or not a JSON object, or, later, a key that
            somebody asks for is missing; the message names the file and the remedy.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise damaged(path, f"a JSON object is expected, not {str(content)[:20]!r}")
    return content


def read_json_as(path: Path, build: Callable[[Any], T]) -> T:
    """Read JSON that an earlier stage wrote, and build something of it.

    Raises:
        SourceError: as `read_json`; also when `build` finds values of another type or shape.
    """
    content = _read(path)
    try:
        return build(content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}".splitlines()[0]) from error


def read_run_key(path: Path) -> str:
    """The key of the run that a stage wrote to `Workspace.run_file`.

    Raises:
        SourceError: the file is missing or damaged.
    """
    return read_json_as(path, _key_of)


def _key_of(facts: Any) -> str:
    key = facts["key"]
    if not isinstance(key, str) or not key.isalnum():
        raise ValueError(f"'key' is {str(key)[:20]!r}")
    return key
