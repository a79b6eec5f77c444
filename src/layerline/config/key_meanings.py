"""What the keys of a section mean, and all keys of a JSON schema with their values and defaults.

A key's meaning is the text under its line in the class. The JSON schemas for editors are made from
it; the reference and `layerline params` read those.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from layerline.value_forms import in_words, inside, written

Schema = Mapping[str, Any]


class Key(NamedTuple):
    """One key of a file; without `values` it is a component, whose options follow."""

    path: str  # dotted; NAME stands for names of the user's own
    values: str
    default: str
    meaning: str
    component: str = ""  # `name: adamw`, whose option it is


def meanings(section: type) -> dict[str, str]:
    """The text under each field of a class.

    >>> from layerline.config import DriftSection
    >>> meanings(DriftSection)["confidence"]
    'The share of checks of rows without drift that find none in any column.'
    """
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(body.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


def keys(schema: Schema) -> Iterator[Key]:
    """Every key of a JSON schema; the keys of sections and components follow its own."""
    yield from _section_keys("", schema, schema["$defs"])


def _section_keys(path: str, section: Schema, known: Schema, component: str = "") -> Iterator[Key]:
    entries = [
        (f"{path}.{name}" if path else name, entry)
        for name, entry in section["properties"].items()
        if "const" not in entry
    ]
    for where, entry in entries:
        is_required = where.rpartition(".")[2] in section.get("required", ())
        default = "required" if is_required else _default(entry)
        yield Key(where, _values(entry, known), default, entry.get("description", ""), component)
    for rule in section.get("allOf", ()):
        ((key, name),) = rule["if"]["properties"].items()
        yield from _options(f"{path}.options", f"{key}: {name['const']}", rule["then"], known)
    for where, entry in entries:
        for part, name in _sections_in(entry):
            yield from _named_section(where + part, known[name], known)


def _named_section(path: str, section: Schema, known: Schema) -> Iterator[Key]:
    if "anyOf" not in section:
        yield from _section_keys(path, section, known)
        return
    for variant in section["anyOf"]:
        for key, entry in variant.get("properties", {}).items():
            if "const" in entry:  # else names alone, or import paths
                component = f"{key}: {entry['const']}"
                yield Key(path, "", "", variant["description"], component)
                yield from _section_keys(path, variant, known, component)


def _options(path: str, component: str, then: Schema, known: Schema) -> Iterator[Key]:
    section = then["properties"]["options"]
    yield Key(path, "", "", section["description"], component)
    yield from _section_keys(path, section, known, component)


def _default(entry: Schema) -> str:
    """As YAML; `{}` where it is a section with the defaults of its own keys."""
    value = entry.get("default", {})
    if isinstance(value, Mapping):
        value = value.get("name", {})  # of a component
    return written(value)


def _values(entry: Schema, known: Schema) -> str:
    if entry.get("type") == "array" and "$ref" in entry.get("items", {}):
        return f"a list, each {_values(entry['items'], known)}"
    names = [name for _, name in _sections_in(entry) if "anyOf" in known[name]]
    if names:
        plain = [one for one in known[names[0]]["anyOf"] if "properties" not in one]
        return f"{in_words({'anyOf': plain}, known)}; or a mapping with its name and options"
    return "a section" if "$ref" in entry else in_words(entry, known)


def _sections_in(entry: Schema, part: str = "") -> Iterator[tuple[str, str]]:
    """The sections that a key may hold, and the path from the key to each."""
    if "$ref" in entry:
        yield part, entry["$ref"].rpartition("/")[2]
    for one in entry.get("anyOf", ()):
        yield from _sections_in(one, part)
    if (inner := inside(entry)) is not None:
        yield from _sections_in(inner, f"{part}.NAME")
    if isinstance(entry.get("items"), Mapping):
        yield from _sections_in(entry["items"], part)
