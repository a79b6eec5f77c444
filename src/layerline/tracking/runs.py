"""The MLflow run of a key: found by its tag, made once."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.tracking.journal import Event
from layerline.tracking.store import ensure_experiments, store_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

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
    runs = [run for run in find_runs(client, key) if run.info.lifecycle_stage == "active"]
    return runs[0] if runs else None


def find_or_create_run(home: Path, client: "MlflowClient", start: Event) -> Any | None:
    """The run a journal tells of; None when the user deleted it.

    A journal that continues a deleted run starts anew: its stage was asked for after the deletion.
    """
    key = start["key"]
    run = find_run(client, key)
    if run is not None:
        return run
    name = start["experiment"]
    experiment_id = ensure_experiments(home, client, [name])[name]
    with store_lock(home):
        runs = find_runs(client, key)
        active = [run for run in runs if run.info.lifecycle_stage == "active"]
        if active:
            return active[0]
        if runs and not start["continues"]:
            return None
        # One request makes run and tag, so that a crash cannot leave a run nobody finds.
        return client.create_run(
            experiment_id,
            start_time=start["time_ms"],
            tags={KEY_TAG: key, STAGE_TAG: start["stage"]},
            run_name=start["run_name"],
        )
