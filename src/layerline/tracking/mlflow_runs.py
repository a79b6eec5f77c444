"""The MLflow run of a key: found by its tag, made once."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import journals_of
from layerline.errors import TrackingError
from layerline.tracking.delivery_problems import REMEDY
from layerline.tracking.journal_lines import Event
from layerline.tracking.mlflow_names import plain_tag
from layerline.tracking.store import ensure_experiments, store_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

# How late a server may still carry out a request that timed out.
_DUPLICATE_SECONDS = 3600
NOT_MLFLOW = (
    "MLflow's store accepts what is sent, and does not have it: is that address really an MLflow "
    f"server's? {REMEDY}"
)
KEY_TAG = "layerline.key"
STAGE_TAG = "layerline.stage"


def find_runs(client: "MlflowClient", key: str) -> list[Any]:
    """All runs with that key, in any experiment, deleted ones too; one, unless a user copied it."""
    from mlflow.entities import ViewType

    ids = []
    token = None
    while True:
        page = client.search_experiments(view_type=ViewType.ALL, page_token=token)
        ids += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            break
    return list(
        client.search_runs(
            ids,
            filter_string=f"tags.`{KEY_TAG}` = '{key}'",
            run_view_type=ViewType.ALL,
            order_by=["attributes.start_time ASC"],
        )
    )


def find_run(client: "MlflowClient", key: str) -> Any | None:
    """The run with that key, unless it is deleted or was never sent."""
    return _first(_active(find_runs(client, key)))


def _active(runs: list[Any]) -> list[Any]:
    return [run for run in runs if run.info.lifecycle_stage == "active"]


def _first(runs: list[Any]) -> Any | None:
    """The oldest run that holds something: see `delete_duplicates`."""
    return min(runs, key=_is_empty, default=None)


def _is_empty(run: Any) -> bool:
    """Whether a run holds nothing but what its creation gave it."""
    own = [tag for tag in run.data.tags if plain_tag(tag).startswith("layerline.")]
    return not (run.data.params or run.data.metrics or len(own) > 2)


def possible_duplicates(home: Path) -> list[Path]:
    """Files named after the keys whose run may have been made twice."""
    return list(_duplicates_folder(home).glob("*"))


def delete_duplicates(home: Path, client: "MlflowClient") -> None:
    """Delete the second run that a slow server made for a key.

    A request that timed out may be carried out all the same, after the retry. Nothing was ever
    logged to that run: it is empty.
    """
    for marker in possible_duplicates(home):
        runs = _active(find_runs(client, marker.name))
        kept = _first(runs)
        for run in runs:
            if run is not kept and _is_empty(run):
                client.delete_run(run.info.run_id)
        with contextlib.suppress(FileNotFoundError):  # another flusher's request went well
            if time.time() - marker.stat().st_mtime > _DUPLICATE_SECONDS:
                marker.unlink()


def _duplicates_folder(home: Path) -> Path:
    return journals_of(home) / ".doubts"


@contextlib.contextmanager
def _mark_possible_duplicate(home: Path, key: str) -> Iterator[None]:
    """Leave a marker when the block fails or is killed: nobody knows what the server did."""
    marker = _duplicates_folder(home) / key
    is_first = not marker.exists()
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    yield
    if is_first:  # else an earlier request may still be carried out
        marker.unlink(missing_ok=True)


def find_or_create_run(home: Path, client: "MlflowClient", start: Event) -> Any | None:
    """The run of a journal; None when the user deleted it.

    A journal that continues a deleted run gets a new one: its stage ran after the deletion.
    """
    key = start["key"]
    run = find_run(client, key)
    if run is not None:
        return run
    name = start["experiment"]
    experiment_id = ensure_experiments(home, client, [name])[name]
    with store_lock(home):
        runs = find_runs(client, key)
        run = _first(_active(runs))
        if run is not None:
            return run
        if runs and not start["continues"]:
            return None
        # One request makes run and tag, so that a crash cannot leave a run nobody finds.
        with _mark_possible_duplicate(home, key):
            run = client.create_run(
                experiment_id,
                start_time=start["time_ms"],
                tags={KEY_TAG: key, STAGE_TAG: start["stage"]},
                run_name=start["run_name"],
            )
        if not run.info.run_id:
            raise TrackingError(NOT_MLFLOW)
        return run
