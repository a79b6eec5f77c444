"""A bundle loaded: raw rows in, predictions in the user's own terms out."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from layerline import __version__
from layerline.artifacts import read_json
from layerline.columns.judge import STRICT
from layerline.errors import DataError, SourceError
from layerline.evaluation.decision import DECISION, PLAIN, Decision, read_decision
from layerline.evaluation.prediction_table import tabulate
from layerline.model.bundle import ABOUT, FORMAT, PREPROCESSOR, About, Rows, check_bundle
from layerline.model.inputs import read_columns
from layerline.model.pixels import read_images
from layerline.model.refusals import Collected, Refusal
from layerline.networks.serialization import load_network
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.inference import PREDICT_BATCH, predict
from layerline.training.objectives import IDENTITY, Link, read_link

# A multiple of the network's own batches, so that pieces give the bytes of the whole.
_CHUNK_ROWS = 8 * PREDICT_BATCH


@dataclasses.dataclass(frozen=True)
class Model:
    """Network and preprocessor: raw rows in, predictions in the user's own terms out."""

    about: About
    network: nn.Module
    preprocessor: Preprocessor
    link: Link = IDENTITY
    decision: Decision = PLAIN

    def predict(self, data: Rows, *, rows_before: int = 0, any_value: bool = False) -> pd.DataFrame:
        """Predict raw rows, in their order.

        Args:
            data: a table in any column order, other columns are ignored; for image models an array
                (N, H, W[, C]) or a table with one column a pixel.
            rows_before: added to row numbers in messages, when the rows are a piece of a file.
            any_value: take also what breaks the schema that the training kept (gaps where it had
                none, levels never seen, numbers outside the limits); types always bind.

        Returns:
            `prediction`, for classes the user's own label beside a `probability_<class>` each; for
            regression a number in the user's unit, of a quantile loss beside a
            `quantile_<level>` each, in rising order.

        Raises:
            DataError: a column is missing, or a value breaks the schema; with column and rows.
        """
        if self.about.image_shape is None and not isinstance(data, pd.DataFrame):
            raise DataError(
                f"this model reads a table with named columns, got {type(data).__name__}; "
                "pass a pandas DataFrame"
            )
        pieces = [
            self._predict(data[start : start + _CHUNK_ROWS], rows_before + start, any_value)
            for start in range(0, max(len(data), 1), _CHUNK_ROWS)
        ]
        return pieces[0] if len(pieces) == 1 else pd.concat(pieces)

    def _predict(self, data: Rows, rows_before: int, any_value: bool) -> pd.DataFrame:
        read = self._read(data, Refusal(rows_before), any_value)
        if isinstance(read, pd.DataFrame):
            x = self.preprocessor.transform(read)
        else:
            x = self.preprocessor.transform_images(read)
        outputs = predict(self.network, torch.from_numpy(x)).numpy()
        index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data))
        return self.decode(outputs).set_axis(index, axis=0)

    def _read(self, data: Rows, refusal: Refusal, any_value: bool) -> Rows:
        about = self.about
        if about.image_shape is not None:
            return read_images(data, about.image_shape, about.target, refusal)
        assert isinstance(data, pd.DataFrame)
        rules = STRICT if any_value else None
        return read_columns(data, about.columns, refusal, about.dialect.missing, rules)

    def refused_rows(self, data: Rows, *, any_value: bool = False) -> dict[int, str]:
        """What is wrong with each row that `predict` would refuse, by its position.

        Raises:
            DataError: no row can be read: a column is missing, or the images have another size.
        """
        kept = Collected()
        self._read(data, kept, any_value)
        return kept.reasons

    def decode(self, outputs: NDArray[np.float32]) -> pd.DataFrame:
        """The network's outputs (B, O) -> what `predict` returns."""
        if self.about.classes is None:
            fitted, link = self.preprocessor, self.link
            numbers = fitted.target_curve.restore(
                link.numbers(outputs, fitted.target_center, fitted.target_scale)
            )
            quantiles = numbers if link.levels else None
            return tabulate(numbers[:, link.middle], None, None, quantiles, link.levels)
        probabilities = self.decision.probabilities(outputs)
        return tabulate(self.decision.choose(probabilities), probabilities, self.about.classes)


def load_bundle(folder: Path) -> Model:
    """Check every byte of a bundle, then load it.

    Raises:
        SourceError: a file is missing or its bytes differ from those written, or a newer layerline
            wrote it.
    """
    recorded = check_bundle(folder)
    about = About.from_json(read_json(folder / ABOUT))
    if about.format > FORMAT:
        raise SourceError(
            f"{folder}: written by layerline {about.layerline} in format {about.format}, this is "
            f"layerline {__version__}, which reads formats up to {FORMAT}; update layerline"
        )
    preprocessor = Preprocessor.from_json(read_json(folder / PREPROCESSOR))
    network, spec = load_network(folder)
    # A file that no manifest names is not the model's.
    decision = read_decision(folder, about.classes) if DECISION in recorded else PLAIN
    return Model(about, network, preprocessor, read_link(spec.link), decision)
