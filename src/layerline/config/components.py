"""What sections are made of: strict dataclasses, named components, choices by column."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from layerline.lookup import read_choices

SECTION = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
WITH_FROM = ConfigDict(**SECTION, populate_by_name=True)  # `from` cannot be a name in Python


@dataclass(frozen=True, kw_only=True, config=SECTION)
class Component:
    """A named entry of a table and its options: `{name: adamw, learning_rate: 0.001}`."""

    name: str
    """Its name in the table."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Its own options."""


def _component(key: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if isinstance(value, str):
            return Component(name=value)
        if isinstance(value, Mapping) and isinstance(value.get(key), str):
            options = {name: option for name, option in value.items() if name != key}
            return Component(name=value[key], options=options)
        if isinstance(value, Component):
            return value
        raise ValueError(f"must be a name, or a mapping with `{key}: NAME` and its options")

    return BeforeValidator(read, json_schema_input_type=str | dict[str, Any])


Named = Annotated[Component, _component("name")]
Method = Annotated[Component, _component("method")]


def by_column(default: str) -> BeforeValidator:
    """Validate a choice that may differ by column; `default` applies where none is named."""

    def check(value: Any) -> Any:
        read_choices(value, default)
        return value

    return BeforeValidator(check, json_schema_input_type=str | dict[str, Any])
