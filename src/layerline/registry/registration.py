"""A bundle becomes a version of the registered model; the same bundle never becomes two."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts.temporary import temporary_folder
from layerline.model.bundle import About, Rows, check_bundle
from layerline.registry.mlflow_model import save_mlflow_model
from layerline.registry.version_files import files_sha256, mlmodel_sha256
from layerline.tracking.mlflow_names import plain, plain_tags, stored_tag
from layerline.tracking.version_tags import HASH_TAGS, compare_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

FILES_TAG = "layerline.files_sha256"  # over all files of the MLflow model but its MLmodel
MLMODEL_TAG = "layerline.mlmodel_sha256"
_TESTING = ("mlflow.data.context", "testing")


@dataclass(frozen=True)
class Version:
    """A version of the registered model, and whether this call made it."""

    project: str
    number: str
    run_id: str
    is_new: bool

    @property
    def uri(self) -> str:
        return f"models:/{self.project}/{self.number}"


def hash_tags(bundle: Path) -> dict[str, str]:
    """The tags that name a bundle's content, after checking every byte of it."""
    found = check_bundle(bundle)
    return {tag: found[name] for tag, name in HASH_TAGS.items() if name in found}


def require_tags(uri: str, bundle: Path, tags: Mapping[str, str]) -> None:
    """Refuse a bundle that is not the one registered under these tags.

    Raises:
        SourceError: names the file, its sha256 and the registered one.
    """
    compare_tags(uri, check_bundle(bundle), tags)


def files_of(client: "MlflowClient", project: str, number: str) -> str | None:
    """The folder with a version's files if it is on this machine, as with the default store."""
    folder: str = client.get_model_version_download_uri(project, number)
    return folder if Path(folder).is_dir() else None


def find_version(
    client: "MlflowClient", project: str, tags: Mapping[str, str]
) -> "ModelVersion | None":
    """The newest version of the project that carries all these tags."""
    found = client.search_model_versions(f"name = '{project}'")
    same = [one for one in found if tags.items() <= plain_tags(one.tags).items()]
    return max(same, key=lambda version: int(version.version), default=None)


def log_version(
    client: "MlflowClient",
    *,
    run_id: str,
    bundle: Path,
    about: About,
    examples: Rows,
    exports: Path | None = None,
) -> Version:
    """Register a bundle as a version of its project, or return the version that already holds it.

    The model belongs to the training's run, whose status does not change. The version and its
    hashes are created in one call, so a registration that was killed before it is simply repeated.
    """
    tags = hash_tags(bundle)
    known = find_version(client, about.project, tags)
    if known is not None:
        return Version(about.project, str(known.version), str(known.run_id), is_new=False)
    folders = {"bundle": bundle, **({"exports": exports} if exports else {})}
    model_id, files_tags = _log_model(client, run_id, folders, about, examples, tags)
    _ensure_registered_model(client, about.project)
    named = {**tags, **files_tags, "layerline.version": about.layerline}
    created = client.create_model_version(
        about.project,
        source=f"models:/{model_id}",
        run_id=run_id,
        tags={stored_tag(name): value for name, value in named.items()},
        model_id=model_id,
    )
    number = str(created.version)
    # MLflow's pages read from this tag where a logged model was registered.
    shown = json.dumps([{"name": about.project, "version": number}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": shown})
    return Version(about.project, number, run_id, is_new=True)


def _log_model(
    client: "MlflowClient",
    run_id: str,
    folders: Mapping[str, Path],
    about: About,
    examples: Rows,
    tags: Mapping[str, str],
) -> tuple[str, dict[str, str]]:
    """Log the bundle as a model of the run; return the model's id and the hashes of its files."""
    from mlflow.entities import LoggedModelOutput

    experiment_id = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(
        experiment_id,
        name=about.project,
        source_run_id=run_id,
        tags={stored_tag(name): value for name, value in tags.items()},
    )
    model_id: str = model.model_id
    with temporary_folder() as folder:
        path = folder / "model"
        save_mlflow_model(path, folders, about, examples, run_id=run_id, model_id=model_id)
        files_tags = {FILES_TAG: files_sha256(path), MLMODEL_TAG: mlmodel_sha256(path)}
        client.log_model_artifacts(model_id, str(path))
    client.finalize_logged_model(model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    _link_metrics(client, run_id, model_id)
    return model_id, files_tags


def _link_metrics(client: "MlflowClient", run_id: str, model_id: str) -> None:
    """Show the run's test figures, and the data they were measured on, on the model's own page.

    The run's points are logged again with the model's id; MLflow keeps equal points once.
    """
    from mlflow.entities import Metric

    run = client.get_run(run_id)
    about = {}
    for given in run.inputs.dataset_inputs:
        if any((tag.key, tag.value) == _TESTING for tag in given.tags):
            about = {"dataset_name": given.dataset.name, "dataset_digest": given.dataset.digest}
    points = (
        client.get_metric_history(run_id, name)[-1]
        for name in run.data.metrics
        if plain(name).startswith("test_")
    )
    linked = [
        Metric(p.key, p.value, p.timestamp, p.step, model_id=model_id, run_id=run_id, **about)
        for p in points
    ]
    if linked:
        client.log_batch(run_id, linked)


def _ensure_registered_model(client: "MlflowClient", project: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(project)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def tag_version(client: "MlflowClient", version: Version, tags: Mapping[str, Any]) -> None:
    """Set tags on a version; None is skipped."""
    for name, value in tags.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            client.set_model_version_tag(version.project, version.number, stored_tag(name), text)
