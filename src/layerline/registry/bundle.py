"""What a model is on disk: a folder that holds all a prediction needs, each file with its sha256.

    network.safetensors, spec.json   the network
    preprocessor.json                raw columns -> arrays
    model.json                       project, task, target, columns, classes, image shape
    examples.parquet | examples.npy  a few raw rows
    expected.parquet                 what they must give
    MANIFEST.json                    the sha256 of each

MLflow keeps no digests: a flipped byte would load silently, so `load_bundle` checks every file
first. Nothing here imports MLflow, and nothing is pickled.
"""

import dataclasses
import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from layerline import __version__
from layerline.artifacts import read_json, sha256_of, write_json
from layerline.data.preprocessing.preprocessor import Preprocessor
from layerline.data.schema.columns import ColumnSpec
from layerline.data.tables import write_table
from layerline.errors import DataError, SourceError
from layerline.evaluation.predictions import softmax
from layerline.networks.files import SPEC, WEIGHTS, load_network
from layerline.registry.inputs import read_columns
from layerline.registry.pixels import read_images
from layerline.training.loop import PREDICT_BATCH, predict

FORMAT = 1
MANIFEST = "MANIFEST.json"
PREPROCESSOR, ABOUT = "preprocessor.json", "model.json"
EXAMPLES_TABLE, EXAMPLES_IMAGES, EXPECTED = "examples.parquet", "examples.npy", "expected.parquet"
_REQUIRED = (WEIGHTS, SPEC, PREPROCESSOR, ABOUT)
# A multiple of the network's own batches, so that pieces give the bytes of the whole.
_CHUNK_ROWS = 8 * PREDICT_BATCH

Rows = pd.DataFrame | NDArray[Any]


@dataclasses.dataclass(frozen=True)
class About:
    """What a model says of itself, besides its numbers."""

    project: str
    task: str
    target: str
    classes: tuple[Any, ...] | None
    columns: tuple[ColumnSpec, ...]  # raw columns it reads; none for images
    image_shape: tuple[int, ...] | None
    layerline: str = __version__
    format: int = FORMAT

    @property
    def output_columns(self) -> list[str]:
        """The names of what `Model.predict` returns."""
        return ["prediction", *(f"probability_{name}" for name in self.classes or ())]

    def to_json(self) -> dict[str, Any]:
        """As model.json holds it."""
        return {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "columns": [column.to_dict() for column in self.columns],
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "About":
        """The inverse of `to_json`."""
        shape, classes = state["image_shape"], state["classes"]
        return cls(
            **{key: state[key] for key in ("project", "task", "target", "layerline", "format")},
            classes=None if classes is None else tuple(classes),
            columns=tuple(ColumnSpec.from_dict(column) for column in state["columns"]),
            image_shape=None if shape is None else tuple(shape),
        )


@dataclasses.dataclass(frozen=True)
class Model:
    """Network and preprocessor: raw rows in, predictions in the user's own terms out."""

    about: About
    network: nn.Module
    preprocessor: Preprocessor

    def predict(self, data: Rows, *, rows_before: int = 0) -> pd.DataFrame:
        """Predict raw rows, in their order.

        Args:
            data: a table in any column order, other columns are ignored; for image models an array
                (N, H, W[, C]) or a table with one column a pixel.
            rows_before: added to row numbers in messages, when the rows are a piece of a file.

        Returns:
            `prediction`, for classes the user's own label beside a `probability_<class>` each; for
            regression a number in the user's unit.

        Raises:
            DataError: a column is absent, or a value cannot be read; with column and rows.
        """
        if self.about.image_shape is None and not isinstance(data, pd.DataFrame):
            raise DataError(
                f"this model reads a table with named columns, got {type(data).__name__}; "
                "pass a pandas DataFrame"
            )
        pieces = [
            self._predict(data[start : start + _CHUNK_ROWS], rows_before + start)
            for start in range(0, max(len(data), 1), _CHUNK_ROWS)
        ]
        return pieces[0] if len(pieces) == 1 else pd.concat(pieces)

    def _predict(self, data: Rows, rows_before: int) -> pd.DataFrame:
        about = self.about
        if about.image_shape is None:
            assert isinstance(data, pd.DataFrame)
            frame = read_columns(data, about.columns, self._levels, rows_before)
            x = self.preprocessor.transform(frame)
        else:
            images = read_images(data, about.image_shape, about.target, rows_before)
            x = self.preprocessor.transform_images(images)
        outputs = predict(self.network, torch.from_numpy(x)).numpy()
        index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data))
        return self.decode(outputs).set_axis(index, axis=0)

    @functools.cached_property
    def _levels(self) -> dict[str, tuple[Any, ...]]:
        return {category.name: category.levels for category in self.preprocessor.categories}

    def decode(self, outputs: NDArray[np.float32]) -> pd.DataFrame:
        """The network's outputs (B, O) -> what `predict` returns."""
        if self.about.classes is None:
            numbers = self.preprocessor.decode_target(outputs.reshape(-1))
            return pd.DataFrame({"prediction": numbers})
        probabilities = softmax(outputs)
        names = self.about.output_columns
        chosen = pd.Series(self.about.classes)[probabilities.argmax(axis=1)]
        table = pd.DataFrame(probabilities, columns=names[1:])
        table.insert(0, names[0], chosen.to_numpy())
        return table


def write_bundle(
    folder: Path,
    *,
    project: str,
    network_folder: Path,
    preprocessor: Preprocessor,
    columns: Sequence[ColumnSpec],
    examples: Rows | None = None,
) -> Model:
    """Write a model into `folder`, which is made; return it.

    Args:
        folder: where the bundle goes.
        project: whose model it is.
        network_folder: weights and spec; they are copied byte by byte.
        preprocessor: what turns raw rows into the network's inputs.
        columns: all columns of the data; the bundle keeps those that the preprocessor reads.
        examples: a few raw rows, kept with what they must give.
    """
    folder.mkdir(parents=True)
    for name in (WEIGHTS, SPEC):
        shutil.copyfile(network_folder / name, folder / name)
    by_name = {column.name: column for column in columns}
    about = About(
        project=project,
        task=preprocessor.task,
        target=preprocessor.target,
        classes=preprocessor.classes,
        columns=tuple(by_name[name] for name in preprocessor.input_columns),
        image_shape=preprocessor.image_shape,
    )
    write_json(folder / PREPROCESSOR, preprocessor.to_json())
    write_json(folder / ABOUT, about.to_json())
    model = Model(about, load_network(folder)[0], preprocessor)
    if examples is not None:
        _write_examples(folder, model, examples)
    files = {file.name: {"sha256": sha256_of(file)} for file in sorted(folder.iterdir())}
    write_json(folder / MANIFEST, {"files": files})
    return model


def _write_examples(folder: Path, model: Model, examples: Rows) -> None:
    if isinstance(examples, pd.DataFrame):
        examples = examples[[column.name for column in model.about.columns]]
        write_table(folder / EXAMPLES_TABLE, examples)
    else:
        np.save(folder / EXAMPLES_IMAGES, examples, allow_pickle=False)
    write_table(folder / EXPECTED, model.predict(examples))


def load_bundle(folder: Path) -> Model:
    """Check every byte of a bundle, then load it.

    Raises:
        SourceError: a file is missing or its bytes differ from those written, or a newer layerline
            wrote it.
    """
    check_bundle(folder)
    about = About.from_json(read_json(folder / ABOUT))
    if about.format > FORMAT:
        raise SourceError(
            f"{folder}: written by layerline {about.layerline} in format {about.format}, this is "
            f"layerline {__version__}, which reads format {FORMAT}; update layerline"
        )
    preprocessor = Preprocessor.from_json(read_json(folder / PREPROCESSOR))
    network, _ = load_network(folder)
    return Model(about, network, preprocessor)


def check_bundle(folder: Path) -> dict[str, str]:
    """Recompute the sha256 of every file; return them by name.

    Raises:
        SourceError: a file is missing, or its bytes are not those recorded.
    """
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files", {}) if isinstance(manifest, dict) else {}
    recorded = {name: entry["sha256"] for name, entry in files.items() if "sha256" in entry}
    for name in (*_REQUIRED, *recorded):
        path = folder / name
        if name not in recorded or not path.is_file():
            raise SourceError(f"{path}: missing; this model version is damaged and was not loaded")
        found = sha256_of(path)
        if found != recorded[name]:
            raise SourceError(
                f"{path}: sha256 is {found[:12]}…, {MANIFEST} recorded {recorded[name][:12]}…; "
                "this model version was changed after it was registered and was not loaded"
            )
    return recorded
