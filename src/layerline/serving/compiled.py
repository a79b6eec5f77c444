"""The preprocessor and the network as arrays: typed rows in, predictions out, without pandas.

The arithmetic of `Preprocessor.transform` and `Model.decode` in the same order, laid out once.
`answering` proves it on rows of every kind before a model serves; a model whose parts are unknown
here is served the slower way, by `Model.predict`, never wrongly.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from layerline.data.preprocessing.preprocessor import Numbers
from layerline.evaluation.predictions import softmax
from layerline.registry.model import Model
from layerline.serving.folding import fold
from layerline.serving.rows import Typed, refuse_rows
from layerline.training.predicting import PREDICT_BATCH

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Predicted:
    """Predictions of B rows: a list of labels or numbers, and (B, K) or (B, Q) values beside."""

    prediction: list[Any]
    values: list[list[float]] | None
    names: Sequence[str]

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a row, as the answer holds them."""
        first, *others = self.names
        if self.values is None:
            return [{first: value} for value in self.prediction]
        rows = [dict(zip(others, values, strict=True)) for values in self.values]
        return [{first: label, **row} for label, row in zip(self.prediction, rows, strict=True)]


class Compiled:
    """One model's arithmetic."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._network = fold(model.network.eval()) or functools.partial(_run, model.network)
        self._names = model.about.output_columns
        fitted = model.preprocessor
        self._numbers = _Numbers(fitted.numbers) if fitted.numbers else None
        self._sizes = [len(category.levels) for category in fitted.categories]
        self._starts = np.cumsum([0, *self._sizes])[:-1].astype(np.int64)

    def predict(self, typed: Typed) -> Predicted:
        """Typed rows -> predictions."""
        return self._predict(self.transform(typed))

    def predict_images(self, images: NDArray[np.uint8]) -> Predicted:
        """Images (B, H, W[, C]) -> predictions."""
        return self._predict(self._model.preprocessor.transform_images(images))

    def _predict(self, x: NDArray[np.float32]) -> Predicted:
        with np.errstate(all="ignore"):
            starts = range(0, len(x), PREDICT_BATCH)
            found = [self._network(x[start : start + PREDICT_BATCH]) for start in starts]
        outputs = found[0] if len(found) == 1 else np.concatenate(found)
        finite = np.isfinite(outputs)
        if not finite.all():
            raise refuse_rows(np.asarray(~finite.all(axis=1)))
        return self.decode(outputs)

    def transform(self, typed: Typed) -> NDArray[np.float32]:
        """(B, F) and (B, C) -> the network's input, (B, F + indicators + levels) float32."""
        blocks = []
        if self._numbers is not None:
            with np.errstate(over="ignore"):  # what is beyond float32 is told by its prediction
                blocks.append(self._numbers.apply(typed.numbers).astype(np.float32))
        if self._sizes:
            blocks.append(self._one_hot(typed.codes))
        return blocks[0] if len(blocks) == 1 else np.hstack(blocks)

    def _one_hot(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        hot = np.zeros((len(codes), sum(self._sizes)), np.float32)
        row, column = np.nonzero(codes >= 0)
        hot[row, self._starts[column] + codes[row, column]] = 1
        return hot

    def decode(self, found: NDArray[np.float32]) -> Predicted:
        """The network's outputs (B, O) -> predictions, as `Model.decode` makes them."""
        about = self._model.about
        if about.classes is None:
            return self._decode_numbers(found)
        probabilities = softmax(found)
        chosen = probabilities.argmax(axis=1).tolist()
        labels = [about.classes[position] for position in chosen]
        return Predicted(labels, probabilities.tolist(), self._names)

    def _decode_numbers(self, found: NDArray[np.float32]) -> Predicted:
        fitted, link = self._model.preprocessor, self._model.link
        numbers = link.numbers(found, fitted.target_center, fitted.target_scale)
        quantiles = numbers.tolist() if link.levels else None
        return Predicted(numbers[:, link.middle].tolist(), quantiles, self._names)


class _Numbers:
    """`preprocessor.Numbers` with its tuples turned into arrays once."""

    def __init__(self, fitted: Numbers) -> None:
        self._fill = np.asarray(fitted.fill)
        self._center, self._scale = (
            np.asarray(fitted.affine.center),
            np.asarray(fitted.affine.scale),
        )
        self._clip = fitted.affine.clip
        self._marked = [fitted.names.index(name) for name in fitted.indicators]

    def apply(self, values: Floats) -> Floats:
        gaps = np.isnan(values)
        z: Floats = (np.where(gaps, self._fill, values) - self._center) / self._scale
        if self._clip:
            z = z / np.sqrt(1 + np.square(z / 3))
        return np.hstack([z, gaps[:, self._marked]]) if self._marked else z


@torch.inference_mode()
def _run(network: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = network(torch.from_numpy(x)).numpy()
    return found
