"""YAML 1.2 from users, read within bounds: a few lines must not take minutes or gigabytes.

An alias may stand for a list of aliases, and so on: 300 bytes become billions of values. Others
refer to themselves, nest a thousand levels, or have keys and numbers that JSON cannot express.
"""

import collections
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import ReusedAnchorWarning, YAMLError

from layerline.errors import ParamsError, Problem

MAX_BYTES = 4 << 20
MAX_VALUES = 500_000  # with every alias expanded
MAX_DEPTH = 40
_MAX_NUMBER = 1 << 64

# What ruamel raises of hostile texts, besides its own errors.
_ERRORS = (YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


def read_yaml(path: Path) -> Any:
    """Read YAML 1.2 (where `3e-4` is a number, and `no` and `off` are words).

    Raises:
        ParamsError: there is no such file, or it is not valid YAML (with line and column), or too
            large, too deep, or not expressible as JSON.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            message = f"is larger than {MAX_BYTES >> 20} MiB, the most that is read"
            raise ParamsError([Problem("the file", message)], str(path))
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = "not found; run in a project's folder, or start one with `layerline init`"
        raise ParamsError([Problem(str(path.parent.resolve()), message)], path.name) from None
    except (OSError, UnicodeDecodeError) as error:
        message = " ".join(str(error).split())
        raise ParamsError([Problem("cannot be read", message)], str(path)) from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> Any:
    """Parse YAML 1.2; `path` is what messages name.

    Raises:
        ParamsError: as `read_yaml`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML 1.2 allows it
            content = YAML(typ="safe", pure=True).load(text)
    except _ERRORS as error:
        raise ParamsError(
            [Problem("not valid YAML 1.2", _reason(error)[:500])], str(path)
        ) from None
    problem = _first_problem(content)
    if problem:
        raise ParamsError([problem], str(path))
    return content


def _reason(error: Exception) -> str:
    """Where, and what: one line without the library's names of files and advice to programmers."""
    mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    text = re.sub(r"\s+", " ", what or str(error)).strip() or type(error).__name__
    return text if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {text}"


def _first_problem(content: Any) -> Problem | None:
    """What JSON cannot express, or only at great length; iterative, since depth is one of them."""
    n_values = 0
    # The parts of the value that is looked at now, and of each value around it.
    around: list[tuple[int, Iterator[tuple[str, Any]]]] = [(0, iter([("", content)]))]
    while around:
        found = next(around[-1][1], None)
        if found is None:
            around.pop()
            continue
        where, value = found
        n_values += 1
        message = _message(value)
        if n_values > MAX_VALUES:
            message = f"with its aliases expanded, the file has more than {MAX_VALUES:,} values"
        elif isinstance(value, list | set | Mapping) and any(
            id(value) == seen for seen, _ in around
        ):
            message = "an alias refers to what contains it; write the value out"
        elif len(around) > MAX_DEPTH:
            message = f"is nested more than {MAX_DEPTH} levels deep"
        if message:
            return Problem(where[:200] or "(root)", message)
        if isinstance(value, list | set | Mapping):
            around.append((id(value), _parts(where, value)))
    return None


def _parts(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    dot = f"{where}." if where else ""
    parts = value.items() if isinstance(value, Mapping) else enumerate(value)
    return ((f"{dot}{name}", inner) for name, inner in parts)


def _message(value: Any) -> str:
    """What is wrong with this one value."""
    if isinstance(value, int) and abs(value) >= _MAX_NUMBER:
        return "is a number of more than 64 bits"
    if isinstance(value, Mapping):
        keys = [key for key in value if not isinstance(key, str | int | float | None)]
        if keys:
            return f"has a key that is a {type(keys[0]).__name__}; keys are names or numbers"
        counts = collections.Counter(map(str, value))
        if len(counts) < len(value):
            return f"has two keys that both read {counts.most_common(1)[0][0]!r}"
    return ""
