"""Model versions of MLflow's registry, and the runs that made them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import SourceFiles, read_manifest, sha256_of
from layerline.errors import LayerlineError, SourceError
from layerline.origins.local import BUNDLE_MANIFEST, source_of_folder
from layerline.runs.open_store import open_store
from layerline.runs.resolve import choose
from layerline.tracking.model_uri import RegisteredName, parse_uri
from layerline.tracking.version_tags import compare_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BUNDLE = "artifacts/bundle"  # within the MLflow model
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def source_of_model(home: Path, uri: str) -> SourceFiles:
    """The files of models:/NAME@ALIAS or models:/NAME/VERSION, fetched once.

    Raises:
        SourceError: there is no such model, alias or version, or its bytes are not those recorded.
        TrackingError: the store is unavailable.
    """
    asked = parse_uri(uri)
    if asked is None:
        raise SourceError(f"{uri}: unknown form; write models:/NAME@ALIAS or models:/NAME/VERSION")
    with open_store(home, f"looking for {uri}") as client:
        return _fetch(home, _version(client, uri, asked))


def source_of_run(home: Path, project: str, wanted: str) -> SourceFiles:
    """The files of the model that a run registered.

    Args:
        home: the main checkout.
        project: the run's project.
        wanted: a run id or its beginning, a run's name, or a DVC experiment.

    Raises:
        SourceError: there is no such run, or it registered no model.
        TrackingError: the store is unavailable.
    """
    with open_store(home, f"looking for run {wanted}") as client:
        try:
            run = choose(client, project, wanted.partition("/")[0])
        except LayerlineError as error:
            raise SourceError(f"train.transfer.from: {error}") from None
        versions = list(client.search_model_versions(f"run_id = '{run.run_id}'"))
        if not versions:
            raise SourceError(
                f"run {run} registered no model, so its weights are not in MLflow; choose another "
                "run (`layerline runs`), or dvc:REVISION of the commit that holds its dvc.lock"
            )
        return _fetch(home, max(versions, key=lambda version: int(version.version)))


def _version(client: "MlflowClient", uri: str, asked: RegisteredName) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        if asked.alias is not None:
            return client.get_model_version_by_alias(asked.name, asked.alias)
        return client.get_model_version(asked.name, str(asked.version))
    except MlflowException as error:
        if error.error_code not in _MISSING:
            raise
        raise SourceError(
            f"{uri}: not in the registry; register a model with `dvc repro`, or remove "
            "train.transfer for the first training"
        ) from None


def _fetch(home: Path, version: Any) -> SourceFiles:
    """The version's bundle, from .layerline/sources when it was fetched before."""
    from mlflow.artifacts import download_artifacts

    # A version's files never change, but another store may have a version of the same name.
    folder = home / ".layerline" / "sources" / f"{version.name}-{version.version}-{version.run_id}"
    bundle, uri = folder / "bundle", f"models:/{version.name}/{version.version}"
    if not _is_whole(uri, bundle, version):
        folder.mkdir(parents=True, exist_ok=True)
        bundle = Path(download_artifacts(artifact_uri=f"{uri}/{_BUNDLE}", dst_path=str(folder)))
    if not (bundle / BUNDLE_MANIFEST).is_file():
        raise SourceError(
            f"{uri}: not made by Layerline (it has no "
            f"{BUNDLE_MANIFEST}); save its state_dict as a safetensors file and use that"
        )
    _require_tags(uri, bundle, version)
    files = source_of_folder(bundle)
    identity = {"model": str(version.name), "version": str(version.version)}
    if version.run_id:
        identity["run"] = str(version.run_id)
    return SourceFiles(files.weights, files.spec, files.preprocessor, identity)


def _is_whole(uri: str, bundle: Path, version: Any) -> bool:
    try:
        read_manifest(bundle, BUNDLE_MANIFEST)
        _require_tags(uri, bundle, version)
    except SourceError:
        return False
    return True


def _require_tags(uri: str, bundle: Path, version: Any) -> None:
    found = {file.name: sha256_of(file) for file in bundle.iterdir() if file.is_file()}
    compare_tags(uri, found, version.tags)
