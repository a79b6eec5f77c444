"""Models for the page: random weights, on a table or on images, without a training."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from layerline.columns.spec import ColumnSpec
from layerline.explorer.build_page import build_page
from layerline.explorer.find_model import Exhibit
from layerline.explorer.sample_rows import Sample
from layerline.model.bundle import About
from layerline.model.predictor import Model
from layerline.networks import build_network
from layerline.scaling.preprocessing.numbers import Numbers, Scaled
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.scalers import Affine


def shake(network: nn.Module) -> nn.Module:
    """Norms, biases and edges as a training leaves them, not as they start."""
    for module in network.modules():
        for name, value in [*module.named_parameters(recurse=False)]:
            if value.ndim == 1:
                value.data += 0.3 * torch.randn_like(value)
            assert name
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean += torch.randn_like(module.running_mean)
            module.running_var *= 0.5 + torch.rand_like(module.running_var)
    return network.eval()


def table_exhibit(network: str = "mlp", n_rows: int = 40, names: tuple[str, ...] = (), **options):
    """A network of four numbers and three classes."""
    names = names or ("a", "b", "c", "d")
    torch.manual_seed(0)
    built = shake(build_network(network, options, input_shape=(len(names),), d_out=3))
    zero, one = (0.0,) * len(names), (1.0,) * len(names)
    scaled = (Scaled(tuple(range(len(names))), Affine(zero, one)),)
    numbers = Numbers(names, zero, scaled, ())
    classes = ("cat", "dog", "eel")
    fitted = Preprocessor("kind", "multiclass", classes, numbers=numbers)
    columns = tuple(ColumnSpec(name, "number", "float64") for name in names)
    about = About("zoo", "multiclass", "kind", classes, columns, None)
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(n_rows, len(names))), columns=list(names))
    return Exhibit(
        Model(about, built, fitted), Sample(rows, generator.integers(0, 3, n_rows)), "zoo"
    )


def image_exhibit(
    network: str, shape: tuple[int, ...] = (28, 28), n_rows: int = 40, d_out: int = 10, **options
):
    """A network of grey images."""
    torch.manual_seed(0)
    classes, channels = tuple(range(d_out)), (*shape, 1)[2]
    built = build_network(network, options, input_shape=(channels, *shape[:2]), d_out=d_out)
    affine = Affine((33.0,) * channels, (78.0,) * channels)
    fitted = Preprocessor("digit", "multiclass", classes, image=affine, image_shape=shape)
    about = About("digits", "multiclass", "digit", classes, (), shape)
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 256, (n_rows, *shape), dtype=np.uint8)
    sample = Sample(rows, generator.integers(0, d_out, n_rows))
    return Exhibit(Model(about, shake(built), fitted), sample, "digits")


def write_page(exhibit: Exhibit, folder: Path) -> Path:
    """The page of a model, as a file."""
    path = folder / "page.html"
    path.write_text(build_page(exhibit), encoding="utf-8")
    return path
