"""The forms that a value of params.yaml may take, in words; read from its JSON schema.

The reference and the messages about a wrong value both use them, so they agree.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_NOUNS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "a mapping",
}
_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def in_words(entry: Schema, sections: Schema, given: Any = None) -> str:
    """What a value may be: its types with their limits, and an example of a mapping.

    Args:
        entry: the JSON schema of the value.
        sections: the schemas that `$ref` names, `$defs`.
        given: a value that was refused; an example that has it in its right place is preferred.

    >>> in_words({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}, {})
    'a whole number ≥ 1, or `auto`'
    """
    *first, last = dict.fromkeys(_forms(entry, sections, given))
    return f"{', '.join(first)}, or {last}" if first else last


def _forms(entry: Schema, sections: Schema, given: Any) -> Iterator[str]:
    if "anyOf" in entry:
        for one in entry["anyOf"]:
            yield from _forms(one, sections, given)
    elif "enum" in entry or "const" in entry:
        yield from (f"`{written(one)}`" for one in entry.get("enum", [entry.get("const")]))
    else:
        yield _form(entry, sections, given)


def _form(entry: Schema, sections: Schema, given: Any) -> str:
    if "$ref" in entry:
        section = sections[entry["$ref"].rpartition("/")[2]]
        return f"a mapping such as `{written(example(section, sections, given))}`"
    if entry.get("type") == "array":
        return _list_in_words(entry, sections)
    if (inner := inside(entry)) is not None:
        return f"a mapping of names to {in_words(inner, sections)}"
    noun = _NOUNS.get(entry.get("type", ""), "any value")
    limits = [f"{sign} {entry[key]:.10g}" for key, sign in _LIMITS.items() if key in entry]
    if "pattern" in entry:
        limits.append(f"like `{entry['pattern']}`")
    return " ".join([noun, *([" and ".join(limits)] if limits else [])])


def inside(entry: Schema) -> Schema | None:
    """What a mapping with names of the user's own has at each; None where that is anything."""
    found = entry.get("additionalProperties")
    if isinstance(found, Mapping) and found:
        return found
    return next(iter(entry.get("patternProperties", {}).values()), None)


def _list_in_words(entry: Schema, sections: Schema) -> str:
    if "prefixItems" in entry:
        return f"a list of {len(entry['prefixItems'])} values"
    items = in_words(entry["items"], sections) if entry.get("items") else "values"
    return f"a list of {items}" + (", at least one" if entry.get("minItems") else "")


def example(section: Schema, sections: Schema, given: Any = None) -> dict[str, Any]:
    """A mapping that a section takes: its required keys, else its first with a default."""
    properties = section["properties"]
    required = section.get("required", ())
    keys = [
        *(name for name, entry in properties.items() if given in entry.get("enum", ())),
        *required,
        *(name for name, entry in properties.items() if entry.get("default") is not None),
    ]
    kept = dict.fromkeys(keys[: max(1, len(required))] if keys else list(properties)[:1])
    return {name: _example_value(properties[name], sections, given) for name in kept}


def _example_value(entry: Schema, sections: Schema, given: Any) -> Any:
    if given in entry.get("enum", ()):
        return given
    if "examples" in entry:
        return entry["examples"][0]
    if entry.get("default") is not None:
        return entry["default"]
    if "enum" in entry:
        return entry["enum"][0]
    if entry.get("type") == "array":
        return [_example_value(entry.get("items", {}), sections, None)]
    if "$ref" in entry:
        return example(sections[entry["$ref"].rpartition("/")[2]], sections)
    if "anyOf" in entry:
        return _example_value(entry["anyOf"][0], sections, given)
    if entry.get("type") == "object":
        inner = inside(entry)
        return {} if inner is None else {"NAME": _example_value(inner, sections, None)}
    least = entry.get("minimum", entry.get("exclusiveMinimum", 0) + 1)
    return {"integer": least, "number": least, "boolean": True}.get(entry.get("type", ""), "NAME")


def written(value: Any) -> str:
    """A value as YAML has it, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, str):
        return value if value.strip() else f"'{value}'"
    return json.dumps(value)
