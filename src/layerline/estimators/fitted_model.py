"""A model as a predictor in the manner of scikit-learn: what `fit` and `load` return."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import DataError
from layerline.estimators.user_table import named_rows
from layerline.model.bundle import MANIFEST, Rows
from layerline.model.chunks import check_input
from layerline.model.load import load_bundle
from layerline.model.predict_file import PredictOptions, predict_file
from layerline.model.predictor import Model
from layerline.tables.storage import TABLE, to_frame
from layerline.text import listing, readable


class Predictor:
    """A model that predicts raw rows: a DataFrame with the columns as the user has them.

    Columns may come in any order, others are ignored. It can be pickled: what travels is the
    content of its bundle, whose sha256 sums are checked again.

    Attributes:
        model: the loaded model.
    """

    model: Model

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self.model = _load(self._files)

    @classmethod
    def read(cls, bundle: Path) -> "Predictor":
        """The model of a bundle's folder.

        Raises:
            SourceError: a file is missing or its bytes differ from those written.
        """
        return cls(files_of(bundle))

    @property
    def target(self) -> str:
        """Its name; of several the names in a row."""
        return self.model.about.target

    @property
    def targets(self) -> tuple[str, ...]:
        """The name of each target."""
        about = self.model.about
        return tuple(target.name for target in about.targets) or (about.target,)

    @property
    def task(self) -> str:
        """`binary`, `multiclass`, `regression`; of several `multi_regression`, `multilabel`."""
        return self.model.about.task

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw columns it reads."""
        return tuple(column.name for column in self.model.about.columns)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels, in the order of `predict_proba`; None for a regression."""
        return self.model.about.classes

    def predict(self, rows: Rows | str | Path) -> NDArray[Any]:
        """(B,) the label, or the number in the target's own unit, of each row; of several (B, T).

        Raises:
            DataError: a column is missing, or a value violates the schema; names column and rows.
        """
        table = self.predict_frame(rows)
        if several := self.model.about.targets:
            return table.iloc[:, : len(several)].to_numpy()
        return np.asarray(table["prediction"])

    def predict_proba(self, rows: Rows | str | Path) -> NDArray[np.float64]:
        """(B, K) the probability of each class, in the order of `classes`.

        Of several labels (B, T) the probability of each one's second level.

        Raises:
            DataError: as `predict`, or it is a regression.
        """
        several = self.model.about.targets
        if several and several[0].levels is not None:
            table = self.predict_frame(rows)
            return table.iloc[:, len(several) :].to_numpy(dtype=np.float64)
        if self.classes is None:
            raise DataError(f"the target {self.target!r} is a number: there are no probabilities")
        table = self.predict_frame(rows)
        return table.iloc[:, 1 : 1 + len(self.classes)].to_numpy(dtype=np.float64)

    def predict_frame(self, rows: Rows | str | Path, *, any_value: bool = False) -> pd.DataFrame:
        """All that the model predicts, beside the rows' own index.

        Args:
            rows: a DataFrame, or an array if the model was trained on an array; or a file, as
                `layerline predict` reads it.
            any_value: also accept what violates the schema: levels that training did not have,
                numbers outside the limits; missing values are imputed.

        Returns:
            `prediction`, and for classes `probability_<class>`, of a quantile loss
            `quantile_<level>`.
        """
        if isinstance(rows, str | Path):
            return _predict_file(self.model, Path(rows), PredictOptions((), any_value=any_value))
        table = rows if self.model.about.image_shape is not None else named_rows(rows)
        return self.model.predict(table, any_value=any_value)

    def save(self, folder: str | Path) -> Path:
        """Write the model into a new folder, which `layerline.load` and `layerline serve` read.

        Raises:
            DataError: the folder is there already.
        """
        place = Path(folder)
        if place.exists():
            raise DataError(f"{place}: is there already; name a new folder, or remove it")
        place.parent.mkdir(parents=True, exist_ok=True)
        return _write(place, self._files)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "model"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.model = _load(self._files)

    def __repr__(self) -> str:
        columns = listing(self.columns, 3)
        return f"{type(self).__name__}({self.task} of {self.target!r} from {columns})"


class FittedModel(Predictor):
    """What `layerline.fit` returns: a predictor, and how it was made.

    Attributes:
        metrics: by split (train, valid, test), as reports/metrics.json has them.
        history: one row an epoch, as reports/history.csv has them.
        params: all params it was trained with, as params.yaml would have them.
        notes: what the pipeline's stages say of the data.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        metrics: Mapping[str, Mapping[str, float]],
        history: Sequence[Mapping[str, float]],
        params: Mapping[str, Any],
        notes: Sequence[str],
    ) -> None:
        super().__init__(files)
        self.metrics = {split: dict(found) for split, found in metrics.items()}
        self.history = pd.DataFrame(history).astype({"epoch": int})
        self.params = dict(params)
        self.notes = tuple(notes)

    def __repr__(self) -> str:
        figures = (f"{name} {readable(value)}" for name, value in self.metrics["test"].items())
        return f"{super().__repr__()[:-1]}; test {', '.join(figures)})"


def files_of(bundle: Path) -> dict[str, bytes]:
    """The content of a bundle's files by name."""
    return {file.name: file.read_bytes() for file in sorted(bundle.iterdir()) if file.is_file()}


def _predict_file(model: Model, file: Path, options: PredictOptions) -> pd.DataFrame:
    with temporary_folder() as folder:
        output = folder / TABLE
        check_input(file)
        predict_file(model, "", file, output, options)
        return to_frame(pq.read_table(output))


def _load(files: Mapping[str, bytes]) -> Model:
    with temporary_folder() as folder:
        return load_bundle(_write(folder / "bundle", files))


def _write(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir()
    for name in sorted(files, key=MANIFEST.__eq__):  # last: without it a folder is no model
        (folder / name).write_bytes(files[name])
    return folder
