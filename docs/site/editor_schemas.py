"""The JSON schemas of params.yaml and of the schema of the data, with all components and options.

    python docs/site/editor_schemas.py

writes them into schemas/, where editors read them (the first line of each file names its schema),
and into the package, which copies them into new projects and reads them for `layerline params`.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from layerline.config import Params
from layerline.config.key_meanings import meanings
from layerline.lookup import builders, options_model
from layerline.networks import NETWORKS, SIZES
from layerline.projects.component_tables import PLACES, Place
from layerline.validation.schema.entries import SchemaFile
from layerline.validation.schema.severities import RULES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "schemas", ROOT / "src" / "layerline" / "projects" / "template")
OWN = {"type": "string", "pattern": r"^[\w.]+:\w+$"}
BY_COLUMN = ("numeric", "missing", "categorical", "dates")
Schema = dict[str, Any]


def editor_schemas() -> dict[str, str]:
    """The names and texts of the files."""
    schemas = {
        "params": params_schema(),
        "table": table_schema(),
    }
    return {
        f"{name}.schema.json": json.dumps(one, indent=1) + "\n" for name, one in schemas.items()
    }


class _WithMeanings(GenerateJsonSchema):
    def dataclass_schema(self, schema: Any) -> Schema:
        section = schema["cls"]
        found = super().dataclass_schema(schema)
        for name, text in meanings(section).items():
            alias = section.__pydantic_fields__[name].alias or name
            found["properties"][alias] |= {"description": text}
        for entry in found["properties"].values():
            entry.pop("title", None)
        names = [field.alias or name for name, field in section.__pydantic_fields__.items()]
        order = sorted(found["properties"].items(), key=lambda entry: names.index(entry[0]))
        return {**found, "properties": dict(order)}


def json_schema(section: type, title: str) -> Schema:
    """The JSON schema of a file whose top is this section, with the meaning of each key."""
    found = TypeAdapter(section).json_schema(schema_generator=_WithMeanings)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": title}


def table_schema() -> Schema:
    """The JSON schema of data/schemas/NAME.yaml, with the names of the rules."""
    found = json_schema(SchemaFile, "Layerline's schema of a table")
    found["properties"]["rules"]["propertyNames"] = {"anyOf": [{"enum": list(RULES)}, OWN]}
    return found


def params_schema() -> Schema:
    """The JSON schema of params.yaml, with each component's options where it is named."""
    schema = json_schema(Params, "Layerline's params.yaml")
    for place in PLACES:
        section = schema["$defs"][schema["properties"][place.section]["$ref"].rpartition("/")[2]]
        entry = section["properties"][place.key]
        choices = {name: component(build) for name, build in table_of(place).items()}
        if place.name_key is None:
            section.setdefault("allOf", []).extend(_beside(place.key, choices))
            del entry["type"]
            entry["anyOf"] = [{"enum": list(choices)}, OWN]  # torchvision:NAME, or an import path
            continue
        choice = f"{place.section}.{place.key}"
        schema["$defs"][choice] = {
            "anyOf": [
                *([{"enum": list(choices)}] if choices else []),
                *_mappings(place.name_key, choices),
            ]
        }
        if place.own:
            mapping = {"type": "object", "properties": {place.name_key: OWN}}
            schema["$defs"][choice]["anyOf"] += [OWN, mapping | {"required": [place.name_key]}]
        named = {"$ref": f"#/$defs/{choice}"}
        if entry.get("type") == "array":
            entry["items"] = named
        else:
            entry["anyOf"] = [named, *([_by_column(named)] if place.key in BY_COLUMN else [])]
    return schema


def table_of(place: Place) -> Mapping[str, Callable[..., Any]]:
    """The components that may stand at a place of params.yaml."""
    return builders(NETWORKS) if place.check else place.table


def component(build: Callable[..., Any]) -> Schema:
    """The JSON schema of a component's options, with its meaning and theirs.

    A builder's docstring gives the meanings: its first lines, and its `Args` or `Options`.
    """
    about, *parts = (inspect.getdoc(build) or "").split("\n\n")
    schema = options_model(build, SIZES).model_json_schema()
    properties = schema.get("properties", {})
    for name, meaning in _arguments(parts):
        if name in properties:
            properties[name]["description"] = meaning
    for one in properties.values():
        one.pop("title", None)
    return {
        "description": " ".join(about.split()),
        "properties": properties,
        "required": schema.get("required", []),
    }


def _arguments(parts: list[str]) -> Iterator[tuple[str, str]]:
    """The names and meanings in a docstring's part `Args` or `Options`."""
    for part in parts:
        if part.startswith(("Args:", "Options:")):
            for name, text in re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", part, re.M):
                yield name, " ".join(text.split())


def _mappings(key: str, choices: Mapping[str, Schema]) -> Iterator[Schema]:
    """Each choice as a mapping: its name under a key, its options beside it."""
    for name, one in choices.items():
        yield {
            "type": "object",
            "description": one["description"],
            "properties": {key: {"const": name}, **one["properties"]},
            "required": [key, *one["required"]],
            "additionalProperties": False,
        }


def _by_column(choice: Schema) -> Schema:
    return {
        "type": "object",
        "description": "A default, and other choices for some columns.",
        "properties": {
            "default": choice,
            "columns": {"type": "object", "additionalProperties": choice},
        },
        "additionalProperties": False,
    }


def _beside(key: str, choices: Mapping[str, Schema]) -> Iterator[Schema]:
    """Conditions: where the key has a name, the section's `options` are those of the name."""
    for name, one in choices.items():
        options = {"type": "object", **one, "additionalProperties": False}
        yield {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {"properties": {"options": options}},
        }


if __name__ == "__main__":
    for folder in FOLDERS:
        folder.mkdir(exist_ok=True)
        for name, text in editor_schemas().items():
            (folder / name).write_text(text)
