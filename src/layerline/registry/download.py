"""A registered model's bundle: found by its URI, fetched, and compared with the version's tags."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import TrackingError
from layerline.registry.client import open_registry
from layerline.registry.promotion import champion_of
from layerline.registry.registration import files_of, require_tags
from layerline.registry.version_files import INSIDE
from layerline.text import first_line
from layerline.tracking.mlflow_names import plain_tags
from layerline.tracking.model_uri import parse_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Download(NamedTuple):
    """A bundle, and the version that it is of; `version` is empty for other models of MLflow."""

    bundle: Path
    version: str = ""
    run_id: str = ""
    tags: Mapping[str, str] = {}


@contextlib.contextmanager
def registered_bundle(model_uri: str, home: Path) -> Iterator[Path]:
    """A copy of a registered model's bundle, deleted after the block.

    Its bytes are not hashed here, which `load_bundle` does.

    Raises:
        TrackingError: there is no such model, or the store does not respond.
        SourceError: the files are those of another version.
    """
    with temporary_folder() as folder:
        yield download(model_uri, home, folder).bundle


def download(model_uri: str, home: Path, folder: Path) -> Download:
    """Fetch a model into `folder`; refuse a version whose files are not those registered.

    Raises:
        TrackingError: there is no such model, or the store does not respond.
        SourceError: the files are those of another version.
    """
    from mlflow.exceptions import MlflowException

    with open_registry(home, f"loading {model_uri}") as client:
        try:
            version = find_version(client, model_uri)
            # By number: the alias may move before the files are read.
            uri = model_uri if version is None else f"models:/{version.name}/{version.version}"
            path = _copy_of(client, version, folder) or _fetch(uri, folder)
        except MlflowException as error:
            if error.error_code not in _UNKNOWN:
                raise
            raise TrackingError(
                f"{model_uri}: there is no such model ({first_line(error)}); "
                "`layerline register` registers the model in models/, `dvc repro` trains one"
            ) from None
    bundle = bundle_in(Path(path))
    if version is None:
        return Download(bundle)
    require_tags(uri, bundle, version.tags)
    return Download(
        bundle, str(version.version), str(version.run_id or ""), plain_tags(version.tags)
    )


def _copy_of(client: "MlflowClient", version: "ModelVersion | None", folder: Path) -> str | None:
    """A copy of a version whose files are on this machine, without MLflow's pool of threads.

    A thread of that pool that dies for want of memory is waited for without end.
    """
    here = version and files_of(client, str(version.name), str(version.version))
    return str(shutil.copytree(here, folder, dirs_exist_ok=True)) if here else None


def _fetch(uri: str, folder: Path) -> str:
    from mlflow.artifacts import download_artifacts  # slow to import

    return str(download_artifacts(artifact_uri=uri, dst_path=str(folder)))


def find_version(client: "MlflowClient", model_uri: str) -> "ModelVersion | None":
    """The version that a URI names now; None where it names another model of MLflow.

    Raises:
        TrackingError: no version holds the alias.
    """
    name = parse_uri(model_uri)
    if name is None:
        return None
    if name.alias is None:
        return client.get_model_version(name.name, str(name.version))
    found = champion_of(client, name.name, name.alias)
    if found is None:
        raise TrackingError(
            f"{model_uri}: no version holds this alias; `layerline register` registers the model "
            "in models/, `dvc repro` trains one"
        )
    return found


def bundle_in(path: Path) -> Path:
    """The bundle's folder, inside an MLflow model or by itself."""
    inside = path / INSIDE
    return inside if inside.is_dir() else path
