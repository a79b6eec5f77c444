"""The textbook's network: seven weight matrices with zero biases, trained on 8 x 8 digits.

It needs neither a project nor a network connection: scikit-learn brings the digits, and the
training takes some seconds.
"""

import numpy as np
import pandas as pd
import torch

from layerline.columns.spec import ColumnSpec
from layerline.config import Component, TrainSection
from layerline.explorer.find_model import TEXTBOOK, Exhibit
from layerline.explorer.sample_rows import Sample
from layerline.model.bundle import About
from layerline.model.predictor import Model
from layerline.networks.seven_layer import SevenLayer
from layerline.scaling.preprocessing.numbers import Numbers, Scaled
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.scalers import Affine
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.fit import fit

SIDE, HIGHEST = 8, 16.0
WIDTHS = (48, 40, 32, 24, 20, 16)
_SECTION = TrainSection(
    network="seven_layer",
    optimizer=Component(name="adamw", options={"learning_rate": 0.003, "weight_decay": 0.1}),
    batch_size=64,
    epochs=30,
    early_stopping=None,
    precision="float32",
    device="cpu",
)


def textbook_exhibit(seed: int = 0) -> Exhibit:
    """The seven layers and digits that they did not learn from; equal seeds, equal weights."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    names = tuple(f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE))
    classes = tuple(range(10))
    zero, one = (0.0,) * len(names), (HIGHEST,) * len(names)
    scaled = (Scaled(tuple(range(len(names))), Affine(zero, one)),)
    fitted = Preprocessor("digit", "multiclass", classes, numbers=Numbers(names, zero, scaled, ()))
    frame = pd.DataFrame(digits.data, columns=list(names))
    rows = _rows(fitted.transform(frame), digits.target)
    is_test = np.arange(len(frame)) % 5 == 0
    network = _trained(rows, is_test, seed)
    columns = tuple(ColumnSpec(name, "number", "float64") for name in names)
    about = About("textbook", "multiclass", "digit", classes, columns, None)
    sample = Sample(frame[is_test], digits.target[is_test], "digits that it did not learn")
    return Exhibit(Model(about, network, fitted), sample, "Seven layers, by the textbook", TEXTBOOK)


def _rows(x: np.ndarray, y: np.ndarray) -> Rows:
    return Rows(torch.from_numpy(x), torch.from_numpy(y.astype(np.int64)))


def _trained(rows: Rows, is_test: np.ndarray, seed: int) -> SevenLayer:
    prepare_torch(seed, 1)
    network = SevenLayer(input_shape=(SIDE * SIDE,), d_out=10, hidden=WIDTHS)
    train, test = (
        Rows(*rows.take(torch.from_numpy(np.flatnonzero(is_in)))) for is_in in (~is_test, is_test)
    )
    fit(network, TrainingData.of(train, test, "multiclass"), _SECTION, seed=seed)
    return network
