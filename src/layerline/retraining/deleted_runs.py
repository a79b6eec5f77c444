"""Runs that were deleted in MLflow, which only marks them: found, and removed for good.

`mlflow gc` would also remove what it was not asked for (experiments, models that were deleted), so
its own steps are taken for one run at a time. A tracking server does not allow that to clients.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from layerline.registry.client import open_registry

if TYPE_CHECKING:
    from mlflow import MlflowClient


def deleted_runs(client: "MlflowClient", older_seconds: float) -> Iterator[tuple[str, Path | None]]:
    """(id, the folder of its artifacts) of each run that was deleted longer ago than that."""
    store = client._tracking_client.store
    if not hasattr(store, "_hard_delete_run"):
        return
    for run_id in store._get_deleted_runs(older_than=int(older_seconds * 1000)):
        place = urlsplit(str(client.get_run(run_id).info.artifact_uri))
        is_local = place.scheme in ("", "file")
        folder = Path(unquote(place.path)) if is_local else None
        yield run_id, folder if folder is not None and folder.is_dir() else None


def remove_run(home: Path, run_id: str) -> None:
    """Remove a deleted run and its artifacts.

    Raises:
        TrackingError: the store is unavailable.
    """
    with open_registry(home, f"removing run {run_id}") as client:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        info = client.get_run(run_id).info
        if info.lifecycle_stage == "deleted":  # it may have been restored meanwhile
            get_artifact_repository(info.artifact_uri).delete_artifacts()
            client._tracking_client.store._hard_delete_run(run_id)
