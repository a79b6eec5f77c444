"""A model URI -> a model ready to serve: found, its bytes checked, proven and warm.

Proven means: it gives the recorded predictions of the rows that travel with it, and the compiled
way gives what `Model.predict` gives. A version that does not is not served.
"""

import dataclasses
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from layerline.errors import LayerlineError, SourceError, TrackingError
from layerline.model.bundle import EXAMPLES_IMAGES, EXAMPLES_TABLE, EXPECTED, Rows, check_bundle
from layerline.model.predictor import Model, load_bundle
from layerline.registry.client import open_registry
from layerline.registry.promotion import champion_of
from layerline.registry.verification import require_same
from layerline.serving.answers import Answerer
from layerline.tables.storage import read_parquet
from layerline.text import first_line
from layerline.tracking.store import tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")
TOLERANCE = 1e-5  # of recorded predictions: another machine's products may differ in the last digit


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a model is: a registered version, found by number or alias, or a folder."""

    uri: str
    name: str | None = None
    version: str | None = None
    alias: str | None = None


@dataclasses.dataclass(frozen=True)
class Served:
    """A model that was verified and warmed, and what `/model` tells of it."""

    source: Source
    version: str
    answerer: Answerer
    hashes: Mapping[str, str]
    lineage: Mapping[str, str]

    @property
    def model(self) -> Model:
        return self.answerer.model

    def describe(self) -> dict[str, Any]:
        """As `/model` answers."""
        about = self.model.about
        return {
            "uri": self.source.uri,
            "name": self.source.name or about.project,
            "version": self.version,
            "alias": self.source.alias,
            "task": about.task,
            "target": about.target,
            "classes": None if about.classes is None else list(about.classes),
            "columns": [column.to_dict() for column in about.columns],
            "image_shape": None if about.image_shape is None else list(about.image_shape),
            "layerline": about.layerline,
            "sha256": dict(self.hashes),
            "lineage": dict(self.lineage),
            "way": self.answerer.way,
        }


def find(uri: str) -> Source:
    """Read a model URI: models:/NAME@ALIAS, models:/NAME/VERSION, or a folder."""
    match = _URI.fullmatch(uri)
    return Source(uri) if match is None else Source(uri, **match.groupdict())


def version_of(source: Source, home: Path) -> str:
    """The version's number that the source means now; a folder has none.

    Raises:
        TrackingError: no version holds the alias, or the store is away.
    """
    if source.alias is None or source.name is None:
        return source.version or "none"
    with open_registry(home, f"looking up {source.uri}") as client:
        return str(_champion(client, source).version)


def _champion(client: "MlflowClient", source: Source) -> Any:
    assert source.name is not None
    assert source.alias is not None
    found = champion_of(client, source.name, source.alias)
    if found is None:
        raise TrackingError(
            f"{source.uri}: no version holds this alias; `dvc repro` trains and registers one"
        )
    return found


def load(source: Source, home: Path, any_value: bool = False) -> Served:
    """Load the version that the source means now; prove it and warm it.

    Args:
        source: what `find` gave.
        home: the main checkout, `Workspace.home`.
        any_value: serve rows outside the schema's limits and levels, as `layerline predict` does.

    Raises:
        TrackingError: there is no such model, or the store is away.
        SourceError: a byte of it was changed, or it does not give the recorded predictions.
    """
    with tempfile.TemporaryDirectory(prefix="layerline-serve-") as folder:
        version, lineage, path = _download(source, home, Path(folder))
        hashes = check_bundle(path)
        model = load_bundle(path)
        where = source.uri if source.alias is None else f"{source.uri} (version {version})"
        _prove(where, model, path)
    answerer = Answerer(model, any_value)
    answerer.warm()
    return Served(source, version, answerer, hashes, lineage)


def _download(source: Source, home: Path, folder: Path) -> tuple[str, dict[str, str], Path]:
    if source.name is None and Path(source.uri).is_dir():
        return "none", {}, _bundle_in(Path(source.uri))
    from mlflow.exceptions import MlflowException

    with open_registry(home, f"loading {source.uri}") as client:
        from mlflow.artifacts import download_artifacts

        try:
            version, lineage, uri = _locate(client, source)
            path = download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=tracking_uri(home)
            )
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise TrackingError(
                f"{source.uri}: there is no such model ({first_line(error)}); "
                "`dvc repro` trains and registers one"
            ) from None
    return version, lineage, _bundle_in(Path(path))


def _locate(client: "MlflowClient", source: Source) -> tuple[str, dict[str, str], str]:
    if source.name is None:
        return "none", {}, source.uri
    if source.alias is not None:
        found = _champion(client, source)
    else:
        found = client.get_model_version(source.name, str(source.version))
    # By number: the alias may move before its files are read.
    uri = f"models:/{source.name}/{found.version}"
    lineage = {"run_id": str(found.run_id or ""), **{k: str(v) for k, v in found.tags.items()}}
    return str(found.version), lineage, uri


def _bundle_in(path: Path) -> Path:
    """The bundle's folder, inside an MLflow model or by itself."""
    inside = path / "artifacts" / "bundle"
    return inside if inside.is_dir() else path


def _prove(uri: str, model: Model, folder: Path) -> None:
    """Refuse a version that does not give the predictions it recorded.

    Raises:
        SourceError: with the column, the row and both values.
    """
    if not (folder / EXPECTED).is_file():
        return  # a bundle made by hand may bring no examples
    rows = recorded_examples(folder)
    try:
        scale = max(1.0, abs(model.preprocessor.target_scale))
        expected = read_parquet(folder / EXPECTED)
        require_same(
            uri,
            expected,
            model.predict(rows, any_value=True).reset_index(drop=True),
            TOLERANCE * scale,
        )
    except SourceError:
        raise
    except LayerlineError as error:
        message = str(error).replace("; nothing was promoted", "")
        raise SourceError(f"{message}; this version was not served") from None


def recorded_examples(folder: Path) -> Rows:
    """The raw rows that travel with a bundle."""
    if (folder / EXAMPLES_TABLE).is_file():
        frame: pd.DataFrame = read_parquet(folder / EXAMPLES_TABLE)
        return frame
    images: np.ndarray = np.load(folder / EXAMPLES_IMAGES, allow_pickle=False)
    return images
