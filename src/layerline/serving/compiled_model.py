"""The preprocessor and the network as arrays: typed rows in, predictions out, without pandas.

The arithmetic of `Preprocessor.transform` and `Model.decode` in the same order, prepared once.
`request_handler` verifies it on rows of every kind before a model serves; a model with parts that
are unknown here is served by `Model.predict` instead: slower, never wrong.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from layerline.evaluation.target_predictions import columns_of
from layerline.model.predictor import Model
from layerline.scaling.preprocessing.categories import Category
from layerline.scaling.preprocessing.dates import Dates
from layerline.scaling.preprocessing.numbers import Numbers
from layerline.serving.json_rows import Typed, refuse_rows
from layerline.serving.numpy_embeddings import Step
from layerline.serving.numpy_network import fold
from layerline.training.inference import PREDICT_BATCH

Floats = NDArray[np.float64]
_DAY_MICROSECONDS = 86_400_000_000
TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Predicted:
    """Predictions of B rows: a list of labels or numbers, and B lists of the other values."""

    prediction: list[Any]
    values: list[list[float | bool]] | None
    names: Sequence[str]

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per row, as in the response."""
        first, *others = self.names
        if self.values is None:
            return [{first: value} for value in self.prediction]
        rows = [dict(zip(others, values, strict=True)) for values in self.values]
        return [{first: label, **row} for label, row in zip(self.prediction, rows, strict=True)]

    @classmethod
    def of_frame(cls, table: pd.DataFrame) -> "Predicted":
        """What `Model.predict` returned."""
        names = [str(name) for name in table.columns]
        label, *others = (table[name].tolist() for name in names)
        values = [list(row) for row in zip(*others, strict=True)] if others else None
        return cls(label, values, names)

    @classmethod
    def of_columns(cls, columns: Mapping[str, NDArray[Any]]) -> "Predicted":
        """Those of several targets, by name."""
        first, *others = (values.tolist() for values in columns.values())
        return cls(first, [list(row) for row in zip(*others, strict=True)], tuple(columns))


def agree(
    found: Predicted,
    expected: pd.DataFrame,
    scale: float = 1.0,
    scales: Mapping[str, float] = MappingProxyType({}),
) -> bool:
    """Whether two sets of predictions agree: labels exactly, numbers to TOLERANCE of `scale`.

    Of several targets `scales` has that of each column.
    """
    table = pd.DataFrame(found.rows(), columns=list(found.names))
    if list(table.columns) != list(expected.columns) or len(table) != len(expected):
        return False
    for name in table.columns:
        ours, theirs = table[name].to_numpy(), expected[name].to_numpy()
        if theirs.dtype.kind != "f":
            same = np.asarray(ours == theirs)
        else:
            same = np.isclose(
                ours.astype(np.float64),
                theirs,
                rtol=TOLERANCE,
                atol=TOLERANCE * scales.get(name, scale),
            )
        if not same.all():
            return False
    return True


class CompiledModel:
    """One model as arrays."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._network, *self._of_folds = (
            fold(network.eval()) or functools.partial(_run, network)
            for network in (model.network, *model.fold_networks)
        )
        self._names = model.about.prediction_columns
        fitted = model.preprocessor
        self._numbers = _with_arrays(fitted.numbers) if fitted.numbers else None
        self._n_numbers = len(fitted.numbers.names) if fitted.numbers else 0
        self._dates = [_dates(item) for item in fitted.dates]
        self._categories = [_category(item) for item in fitted.categories]
        self._width = len(fitted.features)

    def predict(self, typed: Typed) -> Predicted:
        """Typed rows -> predictions."""
        # Values beyond float32 are detected by their prediction.
        with np.errstate(all="ignore"):
            return self._predict(self.transform(typed))

    def predict_images(self, images: NDArray[np.uint8]) -> Predicted:
        """Images (B, H, W[, C]) -> predictions."""
        return self._predict(self._model.preprocessor.transform_images(images))

    def _predict(self, x: NDArray[np.float32]) -> Predicted:
        outputs = _in_pieces(self._network, x)
        finite = np.isfinite(outputs)
        if not finite.all():
            raise refuse_rows(np.asarray(~finite.all(axis=1)))
        return self.decode(outputs, x)

    def transform(self, typed: Typed) -> NDArray[np.float32]:
        """Numbers and dates (B, F + D), codes (B, C) -> the network's input, float32."""
        n_numbers = self._n_numbers
        blocks = []
        if self._numbers is not None:
            blocks.append(self._numbers.apply_values(typed.numbers[:, :n_numbers]))
        for place, apply in enumerate(self._dates, start=n_numbers):
            blocks.append(apply(typed.numbers[:, place]))
        for place, encode in enumerate(self._categories):
            blocks.append(encode(typed.codes[:, place]))
        x = np.empty((len(typed.numbers), self._width), np.float32)
        start = 0
        for block in blocks:
            x[:, start : start + block.shape[1]] = block
            start += block.shape[1]
        return x

    def decode(
        self, outputs: NDArray[np.float32], x: NDArray[np.float32] | None = None
    ) -> Predicted:
        """The network's outputs (B, O) -> predictions, as `Model.decode` makes them."""
        by_fold = [] if x is None else [_in_pieces(network, x) for network in self._of_folds]
        found, classes = self._model.decide(outputs, x, by_fold), self._model.about.classes
        if found.targets:
            return Predicted.of_columns(columns_of(found))
        labels = found.predicted.tolist()
        if classes is not None:
            labels = [classes[place] for place in labels]
        blocks = [x for x in (found.probabilities, found.quantiles, found.regions) if x is not None]
        values = [block.tolist() for block in blocks]
        if len(values) > 1:
            values = [[[*first, *second] for first, second in zip(*values, strict=True)]]
        return Predicted(labels, values[0] if values else None, self._names)


def _in_pieces(network: Step, x: NDArray[np.float32]) -> NDArray[np.float32]:
    starts = range(0, len(x), PREDICT_BATCH)
    found = [network(x[start : start + PREDICT_BATCH]) for start in starts]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _with_arrays(numbers: Numbers) -> Numbers:
    """The same block with arrays for tuples, converted once instead of at each request."""
    scaled = []
    for part in numbers.scaled:
        transform: Any = part.transform
        fields = [field.name for field in dataclasses.fields(transform)]
        tuples = {name: getattr(transform, name) for name in fields}
        arrays = {k: np.asarray(v) for k, v in tuples.items() if isinstance(v, tuple)}
        scaled.append(dataclasses.replace(part, transform=dataclasses.replace(transform, **arrays)))
    return dataclasses.replace(numbers, scaled=tuple(scaled))


def _dates(item: Dates) -> Callable[[Floats], Floats]:
    """Days since 1970 (B,) -> (B, features)."""
    if item.parts.names == ("days",) and not item.cycles:
        parts = _with_arrays(item.parts)
        return lambda days: parts.apply_values(days[:, None])

    def by_calendar(days: Floats) -> Floats:
        # Months and weekdays come from pandas, which takes half a millisecond.
        gaps = np.isnan(days)
        moments = np.where(gaps, 0, np.rint(days * _DAY_MICROSECONDS)).astype("datetime64[us]")
        moments[gaps] = np.datetime64("NaT")
        return item.apply(pd.Series(moments))

    return by_calendar


def _category(item: Category) -> Callable[[NDArray[np.int64]], Floats]:
    """Codes (B,), -1 for a new level -> (B, features)."""
    n_places, otherwise = item.n_places, len(item.levels)
    has_more = n_places > otherwise
    table = np.asarray(item.values) if item.is_table else None
    every = np.arange(n_places)

    def encode(codes: NDArray[np.int64]) -> Floats:
        places = np.where(codes < 0, otherwise, codes) if has_more else codes
        if item.is_code:
            return places[:, None].astype(np.float64)
        if table is not None:
            return table[places]
        return (places[:, None] == every).astype(np.float64)

    return encode


@torch.inference_mode()
def _run(network: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = network(torch.from_numpy(x)).numpy()
    return found
