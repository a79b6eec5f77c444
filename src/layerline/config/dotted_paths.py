"""Values at dotted paths of params, as `-S train.epochs=80` names them."""

import copy
from collections.abc import Mapping
from typing import Any


def value_at(raw: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none.

    >>> value_at({"train": {"epochs": 3}}, "train.epochs")
    3
    >>> value_at({"train": {"loss": "mse"}}, "train.loss.name")  # a component as a name alone
    'mse'
    """
    found: Any = raw
    for key in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(key)
        elif not (isinstance(found, str) and key == "name"):
            return None
    return found


def with_values(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the params with the values at their dotted paths.

    A component written as a name alone (`loss: mse`) becomes a mapping when an option of it is set.

    >>> with_values({"train": {"loss": "mse"}}, {"train.epochs": 4})
    {'train': {'loss': 'mse', 'epochs': 4}}
    """
    changed = copy.deepcopy(dict(raw))
    for path, value in values.items():
        set_value(changed, path, value)
    return changed


def set_value(content: Any, path: str, value: Any) -> None:
    """Set the value at a dotted path in place; sections that are missing are made."""
    *sections, key = path.split(".")
    place = content
    for section in sections:
        inner = place.get(section)
        if isinstance(inner, str):
            place[section] = inner = {"name": inner}
        elif not isinstance(inner, Mapping):
            place[section] = inner = {}
        place = inner
    place[key] = copy.deepcopy(value)
