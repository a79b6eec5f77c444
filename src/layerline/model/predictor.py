"""A loaded model: raw rows in, predictions in the user's own terms out; `load.py` makes it."""

import copy
import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from layerline.columns.judge import STRICT
from layerline.errors import DataError
from layerline.evaluation.decision import PLAIN, Decision
from layerline.evaluation.prediction_table import tabulate
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.row_predictions import fold_networks
from layerline.evaluation.target_predictions import decide_targets
from layerline.model.bundle import About, Rows
from layerline.model.image_inputs import read_images
from layerline.model.inputs import InputTally, read_columns, with_absent
from layerline.model.refusals import Collected, Refusal
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.inference import PREDICT_BATCH, predict
from layerline.training.objectives import IDENTITY, Link

# A multiple of the network's own batches, so that pieces give the same bytes as the whole.
_CHUNK_ROWS = 8 * PREDICT_BATCH
_HUGE = 1e12  # smaller numbers give finite predictions


@dataclasses.dataclass(frozen=True)
class Model:
    """Network and preprocessor: raw rows in, predictions in the user's own terms out."""

    about: About
    network: nn.Module
    preprocessor: Preprocessor
    link: Link = IDENTITY
    decision: Decision = PLAIN

    def predict(
        self,
        data: Rows,
        *,
        rows_before: int = 0,
        any_value: bool = False,
        tally: InputTally | None = None,
    ) -> pd.DataFrame:
        """Predict raw rows, in their order.

        Args:
            data: a table in any column order, other columns are ignored; for image models an array
                (N, H, W[, C]) or a table with one column a pixel.
            rows_before: added to row numbers in messages, when the rows are part of a file.
            any_value: also accept what violates the schema that training enforced (missing values
                where it had none, unknown levels, numbers outside the limits); types always bind.
            tally: counts what was imputed, unknown, or outside the limits.

        Returns:
            `prediction`, for classes the user's own label beside a `probability_<class>` each; for
            regression a number in the user's unit, of a quantile loss beside a
            `quantile_<level>` each, in rising order. With conformal regions also `in_set_<class>`
            or `interval_low` and `interval_high`. Of several targets `prediction_<target>` each, of
            labels beside `probability_<target>`, that of the second level.

        Raises:
            DataError: a column is missing, a value violates the schema, or is so large that no
                finite prediction follows; names column and rows.
        """
        if self.about.image_shape is None and not isinstance(data, pd.DataFrame):
            raise DataError(
                f"this model reads a table with named columns, got {type(data).__name__}; "
                "pass a pandas DataFrame"
            )
        pieces = [
            self._predict(data[start : start + _CHUNK_ROWS], rows_before + start, any_value, tally)
            for start in range(0, max(len(data), 1), _CHUNK_ROWS)
        ]
        return pieces[0] if len(pieces) == 1 else pd.concat(pieces)

    def in_float64(self) -> "Model":
        """The same model, computing in float64: no row's result depends on the rows beside it.

        In float32 it does, in the last digits. It takes about twice as long.
        """
        return dataclasses.replace(self, network=copy.deepcopy(self.network).double())

    def _predict(
        self, data: Rows, rows_before: int, any_value: bool, tally: InputTally | None
    ) -> pd.DataFrame:
        refusal = Refusal(rows_before)
        x = self.inputs(self._read(data, refusal, any_value, tally))
        outputs = self._run(x)
        refusal.refuse_infinite(outputs)
        index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data))
        return self.decode(outputs, x).set_axis(index, axis=0)

    def inputs(self, rows: Rows) -> NDArray[np.float32]:
        """Typed rows -> the network's inputs."""
        fitted = self.preprocessor
        with np.errstate(over="ignore", invalid="ignore"):  # refused by their outputs
            if isinstance(rows, pd.DataFrame):
                return fitted.transform(rows)
            return fitted.transform_images(rows)

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Typed rows -> the network's outputs (B, O)."""
        return self._run(self.inputs(rows))

    def _run(self, x: NDArray[np.float32], network: nn.Module | None = None) -> NDArray[np.float32]:
        inputs = torch.from_numpy(x).to(next(self.network.parameters()).dtype)
        found: NDArray[np.float32] = predict(network or self.network, inputs).numpy()
        return found

    def _read(
        self, data: Rows, refusal: Refusal, any_value: bool, tally: InputTally | None = None
    ) -> Rows:
        about = self.about
        if about.image_shape is not None:
            return read_images(data, about.image_shape, about.target, refusal)
        assert isinstance(data, pd.DataFrame)
        rules = STRICT if any_value else None
        data = with_absent(data, about.columns, about.dialect.union)
        return read_columns(data, about.columns, refusal, about.dialect.missing, rules, tally)

    def refused_rows(self, data: Rows, *, any_value: bool = False) -> dict[int, str]:
        """What is wrong with each row that `predict` would refuse, by its position.

        Raises:
            DataError: no row can be read: a column is missing, or the images have another size.
        """
        collected = Collected()
        read = self._read(data, collected, any_value)
        if isinstance(read, pd.DataFrame):
            huge = np.flatnonzero((read.select_dtypes("number").abs() > _HUGE).any(axis=1))
            places = np.array([place for place in huge if place not in collected.reasons], np.intp)
            if len(places):
                collected.refuse_infinite(self.outputs(read.iloc[places]), places)
        return collected.reasons

    def decode(
        self, outputs: NDArray[np.float32], x: NDArray[np.float32] | None = None
    ) -> pd.DataFrame:
        """The network's outputs (B, O) -> what `predict` returns."""
        return tabulate(self.decide(outputs, x), self.about.classes)

    def decide(
        self,
        outputs: NDArray[np.float32],
        x: NDArray[np.float32] | None = None,
        by_fold: Sequence[NDArray[np.float32]] = (),
    ) -> Predictions:
        """The network's outputs (B, O) -> predictions as arrays.

        Of the inputs `x`, regions by group read the group, and those by CV+ have an answer of each
        fold, unless it is given `by_fold`; without inputs regions have one margin for all rows.
        """
        if x is not None and not by_fold:
            by_fold = [self._run(x, network) for network in self.fold_networks]
        if self.about.targets:
            return decide_targets(outputs, self.link, self.about.targets)
        if self.about.classes is not None:
            return self.decision.classify(outputs, x=x, by_fold=by_fold or None)
        numbers = [self._on_curve(own) for own in by_fold] or None
        curve = self.preprocessor.target_curve
        on_curve = self._on_curve(outputs)
        return self.decision.decide_numbers(on_curve, self.link, curve, x=x, by_fold=numbers)

    def _on_curve(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        fitted = self.preprocessor
        return self.link.numbers(outputs, fitted.target_center, fitted.target_scale)

    @functools.cached_property
    def fold_networks(self) -> list[nn.Module]:
        """The networks of each fold, where regions need their answers."""
        return fold_networks(self.network, self.decision)
