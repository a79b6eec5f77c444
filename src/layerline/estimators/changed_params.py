"""Params that keyword arguments change: nested or dotted, over the defaults of `layerline init`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from layerline.config.dotted_paths import with_values

_BY_COLUMN = {"default", "columns"}


def changed(raw: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The params with the changes; names of changes may be dotted.

    A mapping changes only the keys it has, unless it names another component: its options are not
    those of the one before. So another network starts without the options of the default one.

    >>> raw = {"train": {"epochs": 9, "optimizer": {"name": "adamw", "weight_decay": 0.1}}}
    >>> changed(raw, {"train": {"epochs": 2, "optimizer.learning_rate": 0.3}})["train"]
    {'epochs': 2, 'optimizer': {'name': 'adamw', 'weight_decay': 0.1, 'learning_rate': 0.3}}
    >>> changed(raw, {"train": {"optimizer": {"name": "sgd"}}})["train"]
    {'epochs': 9, 'optimizer': {'name': 'sgd'}}
    >>> raw = {"train": {}, "scale": {"numeric": "quantile"}}
    >>> changed(raw, {"scale": {"numeric": {"columns": {"age": "power"}}}})["scale"]
    {'numeric': {'default': {'name': 'quantile'}, 'columns': {'age': 'power'}}}
    """
    nested = _nested(changes)
    network = nested.get("train", {}).get("network")
    known = dict(raw)
    if network is not None and network != raw["train"].get("network"):
        known["train"] = {key: value for key, value in raw["train"].items() if key != "options"}
    merged: dict[str, Any] = _merged(known, nested)
    return merged


def _nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as mappings in mappings, values as YAML has them."""
    return with_values({}, {str(name): _plain(value) for name, value in changes.items()})


def _plain(value: Any) -> Any:
    """Plain Python for what numpy and grids of params hold."""
    if isinstance(value, Mapping):
        return _nested(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _merged(known: Any, change: Any) -> Any:
    if isinstance(known, str) and isinstance(change, Mapping):
        known = {"name": known}
    if not isinstance(known, Mapping) or not isinstance(change, Mapping):
        return change
    if "name" in known and change and change.keys() <= _BY_COLUMN:
        known = {"default": known}
    if change.get("name", known.get("name")) != known.get("name"):
        return change
    return {**known, **{key: _merged(known.get(key), value) for key, value in change.items()}}
