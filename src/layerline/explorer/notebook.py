"""The walk through a network as a marimo notebook: plain Python, a cell for each layer."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from layerline.artifacts.atomic_files import write_text
from layerline.errors import ParamsError, Problem
from layerline.explorer.find_model import Exhibit
from layerline.explorer.network_layers import members_of

# What each activation is in NumPy, of an array z.
FORMULAS = {
    "relu": "np.maximum(z, 0)",
    "leaky_relu": "np.where(z > 0, z, 0.01 * z)",
    "elu": "np.where(z > 0, z, np.expm1(np.minimum(z, 0)))",
    "selu": "1.0507009873554805"
    " * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))",
    "gelu": "0.5 * z * (1 + erf(z / 2**0.5))",
    "silu": "z * expit(z)",
    "mish": "z * np.tanh(np.logaddexp(z, 0))",
    "sigmoid": "expit(z)",
    "tanh": "np.tanh(z)",
    None: "z",
}


def write_notebook(path: Path, exhibit: Exhibit) -> None:
    """Write the notebook of a model.

    Raises:
        ParamsError: the network has convolutions or recurrent layers.
    """
    layers = members_of(exhibit.model.network)[0]
    strange = sorted({layer["kind"] for layer in layers} - {"dense", "embed"})
    if strange:
        message = f"walks through dense and embedding layers; this network has {strange[0]} layers"
        raise ParamsError([Problem("--notebook", message)], "layerline explore")
    write_text(path, notebook(exhibit, layers))


def notebook(exhibit: Exhibit, layers: list[dict[str, Any]]) -> str:
    """The notebook's Python."""
    environment = Environment(  # noqa: S701 - it writes Python; values go through tojson
        loader=PackageLoader("layerline.explorer", "page"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["python"] = _python
    steps = [
        {
            "kind": layer["kind"],
            "title": _title(place, layer, is_last=place == len(layers)),
            "norm": (layer.get("norm") or {}).get("kind"),
            "formula": FORMULAS[layer.get("activation")],
            "has_skip": bool(layer.get("skip")),
            "is_projected": bool(layer.get("skip")) and layer["skip"]["projection"] is not None,
            "has_bias": layer.get("bias") is not None,
        }
        for place, layer in enumerate(layers, 1)
    ]
    return environment.get_template("notebook.jinja").render(
        source=exhibit.source, title=exhibit.title, steps=steps, has_classes=exhibit.has_classes
    )


def _title(place: int, layer: dict[str, Any], *, is_last: bool) -> str:
    """What a layer is called above its values: `Layer 2: 48 → 40, relu`."""
    name = "Output" if is_last else f"Layer {place}"
    if layer["kind"] == "embed":
        return f"{name}: columns become vectors"
    n_units, n_inputs = layer["weight"].shape
    norm = f", {layer['norm']['kind']} norm" if layer.get("norm") else ""
    skip = ", with a skip" if layer.get("skip") else ""
    return f"{name}: {n_inputs} → {n_units}{norm}, {layer.get('activation') or 'linear'}{skip}"


def _python(text: str | None) -> str:
    return "None" if text is None else json.dumps(text, ensure_ascii=False)
