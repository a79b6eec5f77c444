"""A wrong value where several forms are allowed: one message, at the user's own path."""

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError

from layerline.config import Params, parse_params
from layerline.lookup import options_model
from layerline.networks import NETWORKS, SIZES
from layerline.projects.component_tables import PLACES
from layerline.studies.comparison import ComparisonSection
from layerline.studies.study_file import StudySection
from layerline.validation.schema.entries import SchemaFile
from layerline.wrong_values import _bare, _fields, _members, problems_of

NAME = "options.a"  # of the user's own, as members.space has them
WRONG = ["wrong", -1e9, 0.5, [], [{"wrong": 1}], {"wrong": 1}, {}, True]


def unions(form: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value that may have several forms."""
    form = _bare(form)
    if len(_members(form)) > 1:
        yield path
    for member in map(_bare, _members(form)):
        for name, inner in _fields(member).items():
            yield from unions(inner, (*path, name))
        if get_origin(member) is dict:
            yield from unions(get_args(member)[1], (*path, NAME))
        elif get_origin(member) in (list, tuple):
            yield from unions(get_args(member)[0], (*path, 0))


def with_value(path: tuple[Any, ...], value: Any) -> Any:
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def options() -> Iterator[Any]:
    for place in PLACES:
        for build in (place.table or {n: line.build for n, line in NETWORKS.items()}).values():
            yield options_model(build, SIZES)


FORMS = [Params, SchemaFile, StudySection, ComparisonSection, *options()]
PLACES_OF_UNIONS = [(form, path) for form in FORMS for path in dict.fromkeys(unions(form))]


def test_there_are_unions_in_params_options_and_schemas() -> None:
    of_params = {".".join(map(str, path)) for form, path in PLACES_OF_UNIONS if form is Params}
    assert of_params >= {
        "threads",
        "evaluate.threshold",
        "evaluate.conformal",
        "train.distributed",
        f"train.members.space.{NAME}",
        "retrain.when.new_rows",
    }
    assert len(PLACES_OF_UNIONS) > 15


@pytest.mark.parametrize(("form", "path"), PLACES_OF_UNIONS, ids=str)
def test_no_path_names_a_class_or_a_type(form: Any, path: tuple[Any, ...]) -> None:
    refused = 0
    for value in WRONG:
        raw = with_value(path, value)
        try:
            TypeAdapter(form).validate_json(json.dumps(raw))
        except ValidationError as error:
            known = {str(step) for step in path} | {"wrong", *"0123456789"} | names(form)
            where = ".".join(map(str, path))
            found = [p for p in problems_of(error, form, raw) if p.where.startswith(where)]
            refused += bool(found)
            for problem in found:
                steps = problem.where.replace(NAME, "0").split(".")
                assert set(steps) <= known, problem
                assert problem.message
            assert len({p.where for p in found}) == len(found)
    assert refused


def names(form: Any) -> set[str]:
    """Every key that a form or a section in it has."""
    found = set()
    for member in map(_bare, _members(_bare(form))):
        for name, inner in _fields(member).items():
            found |= {name, *names(inner)}
        if get_origin(member) in (dict, list, tuple):
            found |= set().union(*(names(one) for one in get_args(member)))
    return found


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        (
            "evaluate.threshold",
            "f1",
            "",
            "must be a mapping such as `{metric: f1}`, a number > 0 and < 1, or null; got 'f1'",
        ),
        ("evaluate.threshold", {"metrc": "f1"}, ".metrc", "unknown key; did you mean 'metric'?"),
        ("evaluate.conformal", {"level": 2}, ".level", "input should be less than 1, got 2"),
        ("threads", "many", "", "must be a whole number ≥ 1 and ≤ 1024, or `auto`; got 'many'"),
        (
            "train.distributed",
            2,
            "",
            "must be a mapping such as `{processes: 1}`, or `auto`; got 2",
        ),
        (
            "train.early_stopping",
            "no",
            "",
            "must be a mapping such as `{patience_epochs: 20}`; got 'no'",
        ),
        ("scale.numeric", 3, "", "must be a name, or a mapping with `name: NAME` and its options"),
    ],
)
def test_the_message_shows_the_form_that_was_meant(
    path: str, value: Any, where: str, message: str
) -> None:
    raw = {"project": "a", "fetch": {"source": "x"}, **with_value(tuple(path.split(".")), value)}
    _, problems = parse_params(raw)
    assert any(p.where == path + where and p.message.startswith(message) for p in problems)
    assert not any("Section" in str(problem) for problem in problems)
