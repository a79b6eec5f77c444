"""The MLflow run of a key: found by its tag, made once."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.tracking.journal import Event
from layerline.tracking.spool import journals_of
from layerline.tracking.store import ensure_experiments, store_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

# How late a server may still carry out what it was asked for.
_DOUBT_SECONDS = 3600
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
    """The oldest one that holds something: see `settle_doubts`."""
    return min(runs, key=_is_bare, default=None)


def _is_bare(run: Any) -> bool:
    """Say whether a run holds nothing but what its creation gave it."""
    own = [tag for tag in run.data.tags if tag.startswith("layerline.")]
    return not (run.data.params or run.data.metrics or len(own) > 2)


def doubts(home: Path) -> list[Path]:
    """Files named after the keys whose run may have been made twice."""
    return list(_doubts_of(home).glob("*"))


def settle_doubts(home: Path, client: "MlflowClient") -> None:
    """Delete what a slow server made beside the run of a key.

    A request to make a run that was given up as too slow may be carried out all the same, after
    the one that came next. Nothing was ever told to that run: it is bare, and nobody's.
    """
    for doubt in doubts(home):
        runs = _active(find_runs(client, doubt.name))
        kept = _first(runs)
        for run in runs:
            if run is not kept and _is_bare(run):
                client.delete_run(run.info.run_id)
        with contextlib.suppress(FileNotFoundError):  # another flusher's request went well
            if time.time() - doubt.stat().st_mtime > _DOUBT_SECONDS:
                doubt.unlink()


def _doubts_of(home: Path) -> Path:
    return journals_of(home) / ".doubts"


@contextlib.contextmanager
def _doubt(home: Path, key: str) -> Iterator[None]:
    """Leave a doubt when the block fails, or is killed: nobody knows what the server did."""
    doubt = _doubts_of(home) / key
    is_first = not doubt.exists()
    doubt.parent.mkdir(parents=True, exist_ok=True)
    doubt.touch()
    yield
    if is_first:  # else the one before is still in doubt
        doubt.unlink(missing_ok=True)


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
        run = _first(_active(runs))
        if run is not None:
            return run
        if runs and not start["continues"]:
            return None
        # One request makes run and tag, so that a crash cannot leave a run nobody finds.
        with _doubt(home, key):
            return client.create_run(
                experiment_id,
                start_time=start["time_ms"],
                tags={KEY_TAG: key, STAGE_TAG: start["stage"]},
                run_name=start["run_name"],
            )
