"""All that the page reads, as one JSON value; arrays are base64 of their float32 bytes."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from layerline import __version__
from layerline.explorer.find_model import Exhibit
from layerline.explorer.network_layers import members_of
from layerline.explorer.sample_rows import Sample, columns_of
from layerline.model.predictor import Model
from layerline.networks.ensemble import Ensemble
from layerline.scaling.preprocessing.scalers import refuse_own

_GRID_NAME = re.compile(r"(.*?)(\d+)_(\d+)")


def page_data(exhibit: Exhibit) -> str:
    """The page's data as JSON that may stand within a script element."""
    model, sample = exhibit.model, exhibit.sample.thinned()
    beside = exhibit.beside
    data: dict[str, Any] = {
        **_model_data(model, exhibit.title),
        "version": __version__,
        "beside": None if beside is None else _model_data(beside.model, beside.title),
        "drift": exhibit.drift,
        "card": exhibit.home.card if exhibit.home else None,
        "rows": {"n": len(sample.rows), "origin": sample.origin, "actual": _actual(sample)},
        **_inputs(model, sample),
    }
    text = json.dumps(to_plain(data), sort_keys=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")  # a name such as </script> must not end the element


def _model_data(model: Model, title: str) -> dict[str, Any]:
    about = model.about
    if numbers := model.preprocessor.numbers:
        refuse_own(numbers.transforms, "the page cannot run")
    return {
        "title": title,
        "project": about.project,
        "task": about.task,
        "target": about.target,
        "classes": None if about.classes is None else list(about.classes),
        "decision": {
            "temperature": model.decision.temperature,
            "threshold": model.decision.threshold,
            "positive": model.decision.positive,
            "costs": model.decision.costs,
        },
        "link": model.link.to_json(),
        "preprocessor": model.preprocessor.to_json(),
        "features": model.preprocessor.features,
        "members": members_of(model.network),
        **averaging(model.network),
    }


def averaging(network: nn.Module) -> dict[str, Any]:
    """How the members' outputs become one."""
    if not isinstance(network, Ensemble):
        return {"mean": "outputs", "weights": [1.0]}
    weights = list(network.weights) or [1.0] * len(network.members)
    return {"mean": network.mean, "weights": weights}


def _inputs(model: Model, sample: Sample) -> dict[str, Any]:
    """Columns with their values, or pixels; and the grid in which pixels lie."""
    if isinstance(sample.rows, pd.DataFrame):
        columns = columns_of(model, sample.rows)
        return {"columns": columns, "picture": _grid([column["name"] for column in columns])}
    pixels = np.ascontiguousarray(sample.rows, np.uint8)
    height, width, channels = (*pixels.shape[1:], 1)[:3]
    picture = {"height": height, "width": width, "channels": channels, "highest": 255}
    return {"columns": [], "picture": picture, "pixels": _base64(pixels)}


def _grid(names: Sequence[str]) -> dict[str, Any] | None:
    """The picture that columns such as pixel_0_0, pixel_0_1, ... are; else None."""
    found = [_GRID_NAME.fullmatch(name) for name in names]
    places = [(int(match[2]), int(match[3])) for match in found if match]
    if len(places) < 16 or len(places) < len(names) or len({m[1] for m in found if m}) > 1:
        return None
    height, width = (max(ends) + 1 for ends in zip(*places, strict=True))
    whole = [(row, column) for row in range(height) for column in range(width)]
    return {"height": height, "width": width, "channels": 1} if places == whole else None


def _actual(sample: Sample) -> list[float] | None:
    return None if sample.actual is None else [float(value) for value in sample.actual]


def to_plain(value: Any) -> Any:
    """The value with every array as its shape and bytes."""
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "float32": _base64(np.asarray(value, "<f4"))}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
