"""Who reads a YAML block of README and docs, and what is wrong with it."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from layerline.config import Params
from layerline.errors import ParamsError
from layerline.projects.preflight import check_params
from layerline.studies.comparison import ComparisonSection
from layerline.studies.study_file import parse_study
from layerline.validation.schema.entries import SchemaFile
from layerline.wrong_values import _bare, _fields, _members, problems_of

SMALLEST: dict[str, Any] = {
    "project": "p",
    "seed": 0,
    "fetch": {"source": "sklearn", "options": {"dataset": "digits"}},
    **{name: {} for name in ("validate", "scale", "train", "evaluate", "register")},
    "threads": 1,
}


def readings(content: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """The place that a block may be of, and its reader's problem; None where it takes the block."""
    for path, fields in sections(Params):
        if set(content) <= fields:
            yield path, problem_of_params(path, content)
    if set(content) <= set(_fields(SchemaFile)):
        yield (), problem_of_schema(content)
    if set(content) <= set(_fields(ComparisonSection)):
        yield (), problem_of_comparison(content)
    if "space" in content:
        yield (), refused(lambda: parse_study(content, "study"))


def choices(content: dict[str, Any]) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """What a block offers, each with its place: the block, or its keys, of which one is kept."""
    found = [(path, content) for path, problem in readings(content) if problem is None]
    if found:
        return found[:1]
    parts = [{key: value} for key, value in content.items()]
    return [next(iter(choices(part))) for part in parts if len(parts) > 1 and choices(part)]


def sections(section: Any, path: tuple[str, ...] = ()) -> Any:
    """Every section of params.yaml: its path, and its keys."""
    fields = _fields(section)
    yield path, set(fields)
    for name, inner in fields.items():
        for member in map(_bare, _members(_bare(inner))):
            if _fields(member):
                yield from sections(member, (*path, name))


def problem_of_params(path: tuple[str, ...], content: dict[str, Any]) -> str | None:
    for name in reversed(path):
        content = {name: content}
    if path == ("train", "transfer"):
        content["train"]["transfer"].setdefault("from", "champion")
    raw = {**SMALLEST, **content}
    for name in content:
        if isinstance(SMALLEST.get(name), dict):
            raw[name] = {**SMALLEST[name], **content[name]}
    return refused(lambda: check_params(raw, "params.yaml"))


def problem_of_schema(content: dict[str, Any]) -> str | None:
    raw = {"target": "y", "task": "regression", "columns": {}, **content}
    try:
        TypeAdapter(SchemaFile).validate_json(json.dumps(raw))
    except ValidationError as error:
        return "\n".join(map(str, problems_of(error, SchemaFile, raw)))
    return None


def problem_of_comparison(content: dict[str, Any]) -> str | None:
    raw = {"question": "q", "variants": {"a": {}, "b": {}}, **content}
    try:
        TypeAdapter(ComparisonSection).validate_json(json.dumps(raw))
    except ValidationError as error:
        return "\n".join(map(str, problems_of(error, ComparisonSection, raw)))
    return None


def refused(read: Any) -> str | None:
    try:
        read()
    except ParamsError as error:
        found = [p for p in error.problems if "there is no file mine/" not in p.message]
        return "\n".join(map(str, found)) or None
    return None
