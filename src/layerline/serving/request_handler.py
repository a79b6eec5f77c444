"""A request's body -> predictions, for one model; no HTTP here.

When a model is loaded, its compiled path is verified against `Model.predict` on rows of every kind:
examples, gaps, every level, limits. Where they differ the model is served by `Model.predict`
itself: slower, never different.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.cast import cast_column
from layerline.columns.judge import LOOSE, breaches
from layerline.columns.spec import ColumnSpec
from layerline.errors import DataError
from layerline.evaluation.target_predictions import scales_of
from layerline.model.bundle import Rows
from layerline.model.image_inputs import read_images
from layerline.model.inputs import require_columns, with_absent
from layerline.model.predictor import Model
from layerline.serving.column_checks import Fault, examples_of, frame_of
from layerline.serving.compiled_model import CompiledModel, Predicted, agree
from layerline.serving.json_rows import Refused, RowReader
from layerline.serving.uploads import (
    UPLOADS,
    Unreadable,
    Uploaded,
    accepted_uploads,
    require_json_size,
)

JSON = "application/json"
COMPILED, PANDAS = "compiled", "pandas"


class RequestPredictions:
    """Predictions of a request, and its rows as received, for the request log."""

    def __init__(self, predicted: Predicted, row: Callable[[int], Any]) -> None:
        self.predicted = predicted
        self.row = row

    @property
    def n_rows(self) -> int:
        return len(self.predicted.prediction)


class RequestHandler:
    """Predicts request bodies by one model; made once when the model is loaded.

    Args:
        model: predicts.
        any_value: levels and limits of the schema do not bind.
        way: COMPILED or PANDAS, where that was verified before.
    """

    def __init__(self, model: Model, any_value: bool = False, way: str | None = None) -> None:
        self.model = model
        self.any_value = any_value
        self.is_image = model.about.image_shape is not None
        self.reader = RowReader(
            model.about.columns, model.preprocessor, any_value, model.about.dialect.missing
        )
        self._compiled = CompiledModel(model)
        self.way = way or (COMPILED if self._is_verified() else PANDAS)

    def handle(self, content_type: str, body: bytes) -> RequestPredictions:
        """Predict the rows of a body.

        Raises:
            Unreadable: it is not valid JSON, CSV, ...
            Refused: a row violates the schema.
        """
        if content_type == JSON:
            return self._of_json(body)
        return self._of_upload(UPLOADS[content_type](body, self.model.about, self.names))

    def _of_json(self, body: bytes) -> RequestPredictions:
        require_json_size(body)
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"the body is not JSON: {error}") from None
        if self.is_image:
            return self._of_images(_as_images(content, self.model.about.image_shape or ()))
        rows = [content] if isinstance(content, dict) else content
        if not isinstance(rows, list):
            raise Refused([Fault("the body must be a row, or a list of rows")])
        _require_rows(len(rows))
        return RequestPredictions(self.predict_rows(rows), rows.__getitem__)

    def _of_upload(self, uploaded: Uploaded) -> RequestPredictions:
        _require_rows(len(uploaded))
        if self.is_image or not isinstance(uploaded, pd.DataFrame):
            return self._of_images(uploaded)
        about = self.model.about
        uploaded = with_absent(uploaded, about.columns, about.dialect.union)
        try:
            require_columns(uploaded, about.columns)
        except DataError as error:
            raise Refused([Fault(str(error))]) from None
        typed = self.reader.read_frame(uploaded)
        compiled = self.way == COMPILED
        predicted = self._compiled.predict(typed) if compiled else self._by_model(uploaded)
        return RequestPredictions(predicted, lambda row: uploaded.iloc[row].to_dict())

    def _of_images(self, data: Any) -> RequestPredictions:
        about = self.model.about
        if about.image_shape is None:
            raise Refused([Fault("this model reads rows with named columns, not arrays")])
        try:
            images = read_images(data, about.image_shape, about.target)
        except DataError as error:
            raise Refused([Fault(str(error))]) from None
        _require_rows(len(images))
        predict = self._compiled.predict_images if self.way == COMPILED else self._by_model
        return RequestPredictions(predict(images), lambda row: images[row].tolist())

    @property
    def names(self) -> list[str]:
        """The columns that the model reads; none for images."""
        return [spec.name for spec in self.reader.columns]

    @property
    def uploads(self) -> list[str]:
        """The accepted content types besides JSON."""
        return accepted_uploads(self.model.about)

    def predict_rows(self, rows: Sequence[Any]) -> Predicted:
        """Predict JSON rows.

        Raises:
            Refused: a row violates the schema.
        """
        typed = self.reader.read(rows)
        if self.way == COMPILED:
            return self._compiled.predict(typed)
        return self._by_model(pd.DataFrame(rows))

    def _by_model(self, rows: Rows) -> Predicted:
        """Rows that were judged, predicted by the model itself."""
        try:
            return Predicted.of_frame(self.model.predict(rows, any_value=True))
        except DataError as error:
            raise Refused([Fault(str(error))]) from None

    def examples(self) -> list[dict[str, Any]]:
        """Rows of every kind that the schema allows: typical, limits, gaps, every level."""
        columns = self.reader.columns
        usual = examples_of(columns)
        gaps = {spec.name: None for spec in columns if spec.nullable}
        rows = [usual, usual | gaps]
        for at in range(max([2, *(len(spec.levels or ()) for spec in columns)])):
            row = dict(usual)
            for spec in columns:
                values = spec.levels or (spec.minimum, spec.maximum)
                value = values[at % len(values)]
                if value is not None and self._is_right(spec, value):
                    row[spec.name] = value
            rows.append(row)
        return rows

    def _is_right(self, spec: ColumnSpec, value: Any) -> bool:
        cast = cast_column(frame_of([{spec.name: value}], [spec])[spec.name], spec)
        return not breaches(cast, spec, rules=LOOSE if self.any_value else None)

    def warm(self) -> None:
        """Predict twice, so that the first request is as fast as the others."""
        for _ in range(2):
            if self.is_image:
                self._of_images(self._blank(1))
            else:
                self.predict_rows(self.examples()[:1])

    def _blank(self, n_images: int) -> NDArray[np.uint8]:
        shape = (n_images, *(self.model.about.image_shape or ()))
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def _is_verified(self) -> bool:
        """Whether the compiled path agrees with Model.predict, on rows of every kind."""
        try:
            if self.is_image:
                images = self._blank(16)
                found, expected = self._compiled.predict_images(images), self.model.predict(images)
            else:
                rows = [*self.examples(), *self._unseen()]
                about = self.model.about
                reader = RowReader(about.columns, self.model.preprocessor, any_value=True)
                found = self._compiled.predict(reader.read(rows))
                expected = self.model.predict(pd.DataFrame(rows), any_value=True)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
            return False  # a part that the compiled path does not support
        fitted = self.model.preprocessor
        return agree(found, expected, max(1.0, abs(fitted.target_scale)), scales_of(fitted.targets))

    def _unseen(self) -> list[dict[str, Any]]:
        """A row with levels that no training row had, where a column holds text."""
        usual = examples_of(self.reader.columns)
        texts = {s.name for s in self.reader.columns if s.kind == "category" and s.dtype == "str"}
        return [usual | dict.fromkeys(texts, "never seen before")]


def encode(version: str, found: RequestPredictions) -> bytes:
    """The response's body."""
    return orjson.dumps({"version": version, "predictions": found.predicted.rows()})


def _as_images(content: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Nested lists, one image or several -> (N, ...)."""
    try:
        array = np.array(content)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "iuf":
        sizes = " x ".join(map(str, shape))
        raise Refused([Fault(f"the body must be images, nested lists of {sizes} numbers 0 to 255")])
    return array[None] if array.shape in (shape, (*shape, 1)) else array


def _require_rows(n_rows: int) -> None:
    if not n_rows:
        raise Refused([Fault("there are no rows")])
