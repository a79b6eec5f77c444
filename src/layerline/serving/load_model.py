"""A model URI -> a model ready to serve: found, its bytes checked, verified and warm.

Verified means: it reproduces the recorded predictions of its example rows, and the compiled path
gives the same as `Model.predict`. A version that does not is not served.
"""

import contextlib
import dataclasses
import shutil
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import LayerlineError, SourceError
from layerline.evaluation.target_predictions import scales_of
from layerline.model.bundle import EXPECTED, check_bundle, read_examples
from layerline.model.load import load_bundle
from layerline.model.predictor import Model
from layerline.registry.client import open_registry
from layerline.registry.download import Download, bundle_in, download, find_version
from layerline.registry.verifier import require_same
from layerline.serving.request_handler import RequestHandler
from layerline.tables.storage import read_parquet
from layerline.tables.targets import write_targets
from layerline.tracking.model_uri import parse_uri

TOLERANCE = 1e-5  # of recorded predictions: another machine's products may differ in the last digit
NO_VERSION = "none"  # of a bundle that is in no registry


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a model is: a registered version, by number or alias, or a folder."""

    uri: str
    name: str | None = None
    version: str | None = None
    alias: str | None = None


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """A model that was verified and warmed, and its description for `/model`."""

    source: Source
    version: str
    handler: RequestHandler
    bundle: Path  # a copy, removed when nothing refers to the model
    hashes: Mapping[str, str]
    lineage: Mapping[str, str]

    @property
    def model(self) -> Model:
        return self.handler.model

    def describe(self) -> dict[str, Any]:
        """The response of `/model`."""
        about = self.model.about
        return {
            "uri": self.source.uri if self.source.name else Path(self.source.uri).name,
            "name": self.source.name or about.project,
            "version": self.version,
            "alias": self.source.alias,
            "task": about.task,
            "target": about.target,
            **({"targets": write_targets(about.targets)} if about.targets else {}),
            "classes": None if about.classes is None else list(about.classes),
            "columns": [column.to_dict() for column in about.columns],
            "image_shape": None if about.image_shape is None else list(about.image_shape),
            "layerline": about.layerline,
            "sha256": dict(self.hashes),
            "lineage": dict(self.lineage),
            "way": self.handler.way,
        }


def parse_source(uri: str) -> Source:
    """Read a model URI: models:/NAME@ALIAS, models:/NAME/VERSION, or a folder."""
    name = parse_uri(uri)
    return Source(uri) if name is None else Source(uri, **name._asdict())


def version_of(source: Source, home: Path) -> str:
    """The number of the version that the source names now; a folder has none.

    Raises:
        TrackingError: no version holds the alias, or the store is unavailable.
    """
    if source.alias is None:
        return source.version or NO_VERSION
    with open_registry(home, f"looking up {source.uri}") as client:
        found = find_version(client, source.uri)
        assert found is not None
        return str(found.version)


Verify = Callable[[str, Path, bool], str]


def verified_way(uri: str, bundle: Path, any_value: bool) -> str:
    """Verify the model in a folder; return how it predicts, COMPILED or PANDAS.

    Raises:
        SourceError: its bytes were changed, or it does not reproduce the recorded predictions.
    """
    model = load_bundle(bundle)
    _check_predictions(uri, model, bundle)
    return RequestHandler(model, any_value).way


def load(
    source: Source, home: Path, any_value: bool = False, verify: Verify = verified_way
) -> ServedModel:
    """Load the version that the source names now, verify it and warm it.

    Args:
        source: from `parse_source`.
        home: the main checkout, `Workspace.home`.
        any_value: serve rows outside the schema's limits and levels, as `layerline predict` does.
        verify: does what `verified_way` does; a server that is busy has another process do it.

    Raises:
        TrackingError: there is no such model, or the store is unavailable.
        SourceError: its bytes were changed, or it does not reproduce the recorded predictions.
    """
    stack = contextlib.ExitStack()
    folder = stack.enter_context(temporary_folder())
    try:
        served = _load(source, _fetch(source, home, folder), any_value, verify)
    except SourceError as error:
        stack.close()
        # The copy is gone, and its place is nobody's business.
        raise SourceError(str(error).replace(f"{folder}/", "")) from None
    except BaseException:
        stack.close()
        raise
    weakref.finalize(served, stack.close)
    return served


def _load(source: Source, found: Download, any_value: bool, verify: Verify) -> ServedModel:
    version = found.version or NO_VERSION
    hashes = check_bundle(found.bundle)
    where = source.uri if source.alias is None else f"{source.uri} (version {version})"
    way = verify(where, found.bundle, any_value)
    handler = RequestHandler(load_bundle(found.bundle), any_value, way)
    handler.warm()
    lineage = {"run_id": found.run_id, **found.tags} if found.version else {}
    return ServedModel(source, version, handler, found.bundle, hashes, lineage)


def _fetch(source: Source, home: Path, folder: Path) -> Download:
    if source.name is None and Path(source.uri).is_dir():
        # A copy: a worker reads it again later.
        bundle = bundle_in(Path(source.uri))
        return Download(Path(shutil.copytree(bundle, folder / "bundle")))
    return download(source.uri, home, folder)


def _check_predictions(uri: str, model: Model, folder: Path) -> None:
    """Refuse a version that does not reproduce its recorded predictions.

    Raises:
        SourceError: names the column, the row and both values.
    """
    rows = read_examples(folder)
    if rows is None or not (folder / EXPECTED).is_file():
        return  # a bundle written by other code may have no examples
    try:
        scale = max(1.0, abs(model.preprocessor.target_scale))
        expected = read_parquet(folder / EXPECTED)
        require_same(
            uri,
            expected,
            model.predict(rows, any_value=True).reset_index(drop=True),
            TOLERANCE * scale,
            scales=scales_of(model.preprocessor.targets),
        )
    except SourceError:
        raise
    except LayerlineError as error:
        message = str(error).replace("; nothing was promoted", "")
        raise SourceError(f"{message}; this version was not served") from None
