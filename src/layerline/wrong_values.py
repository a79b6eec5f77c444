"""Why pydantic refused values, as Problems: each at the place that the user wrote.

Where a value may have several forms, pydantic reports each of them, with the name of its class in
the path. Here the form that the value comes closest to is chosen: a mapping is read as the section,
a list as the list; of what remains, one message lists the forms and shows an example.
"""

import difflib
import json
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from layerline.errors import Problem
from layerline.value_forms import in_words

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def problems_of(error: ValidationError, form: Any, raw: Any, where: str = "") -> list[Problem]:
    """One Problem for each wrong value, with its dotted path and the value received.

    Args:
        error: what pydantic raised.
        form: the class, or the annotation, that was to be read.
        raw: what was read.
        where: the dotted path of `raw`.
    """
    problems: dict[Problem, None] = {}
    for item in error.errors(include_url=False):
        loc = [step for step in item["loc"] if step != "[key]"]
        n_steps, inner, value = _first_union(form, raw, loc)
        if n_steps < len(loc):
            found = _union_problems(inner, value, _joined(where, loc[:n_steps]))
        else:
            found = [Problem(_joined(where, loc), _message(item, form, inner, loc))]
        problems |= dict.fromkeys(found)
    return list(problems)


def _message(item: Mapping[str, Any], form: Any, inner: Any, loc: Sequence[Any]) -> str:
    if item["type"] == "dataclass_type":
        return _forms(inner, item["input"])
    if item["type"] in _UNKNOWN:
        _, section, _ = _first_union(form, None, loc[:-1])
        close = difflib.get_close_matches(str(loc[-1]), _fields(section), n=1)
        return "unknown key" + (f"; did you mean {close[0]!r}?" if close else "")
    message = (item["msg"][0].lower() + item["msg"][1:]).removeprefix("value error, ")
    return message if item["type"] == "missing" else f"{message}, got {item['input']!r}"


def _first_union(form: Any, value: Any, loc: Sequence[Any]) -> tuple[int, Any, Any]:
    """How many steps lead to the first union on the way, or to the end; what is there."""
    for n_steps, step in enumerate(loc):
        form = _bare(form)
        if len(_members(form)) > 1:
            return n_steps, form, value
        form = _inner(form, step)
        value = _part(value, step)
    return len(loc), _bare(form), value


def _union_problems(form: Any, value: Any, where: str) -> list[Problem]:
    kind = Mapping if isinstance(value, Mapping) else list if isinstance(value, list) else None
    for member in _members(form) if kind else ():
        if _takes(member, kind):
            try:
                TypeAdapter(member).validate_json(json.dumps(value, default=str), strict=True)
            except ValidationError as error:
                return problems_of(error, member, value, where)
    return [Problem(where, _forms(form, value))]


def _forms(form: Any, value: Any) -> str:
    """All forms that a value may have, with an example of a section."""
    schema = TypeAdapter(dict[str, form]).json_schema()  # so that a section is a reference
    forms = in_words(schema["additionalProperties"], schema.get("$defs", {}), value)
    return f"must be {forms}; got {value!r}"


def _takes(member: Any, kind: type | None) -> bool:
    bare = _bare(member)
    if kind is list:
        return get_origin(bare) in (list, tuple)
    return bool(_fields(bare)) or get_origin(bare) is dict


def _bare(form: Any) -> Any:
    """Without its checks, and without `or null`."""
    while get_origin(form) is Annotated:
        form = get_args(form)[0]
    members = _members(form)
    return _bare(members[0]) if len(members) == 1 and members[0] is not form else form


def _members(form: Any) -> tuple[Any, ...]:
    if get_origin(form) in (Union, types.UnionType):
        return tuple(one for one in get_args(form) if one is not types.NoneType)
    return (form,)


def _fields(section: Any) -> dict[str, Any]:
    """The keys of a section, as the file has them, and what each takes."""
    fields = getattr(section, "__pydantic_fields__", {})
    return {
        field.alias or name: Annotated[field.annotation, None, *field.metadata]
        for name, field in fields.items()
    }


def _inner(form: Any, step: Any) -> Any:
    if fields := _fields(form):
        return fields.get(step, Any)
    inner = get_args(form)
    if get_origin(form) is dict:
        return inner[1]
    if get_origin(form) in (list, tuple):
        return inner[step] if len(inner) > 1 and inner[1] is not ... else inner[0]
    return Any


def _part(value: Any, step: Any) -> Any:
    try:
        return value[step]
    except (TypeError, LookupError):
        return None


def _joined(where: str, loc: Sequence[Any]) -> str:
    return ".".join([*filter(None, [where]), *map(str, loc)]) or "(root)"
