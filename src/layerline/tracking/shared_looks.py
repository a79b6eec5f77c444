"""Looks at test rows by everybody who shares a store: each run lists those its checkout knows of.

A list is one tag of the registered run, hidden from MLflow's pages. Whoever reads joins the lists,
so that writing one twice, or two at once, counts nothing twice.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from layerline.errors import TrackingError
from layerline.tracking.database import sqlite_path
from layerline.tracking.deadline import deadline
from layerline.tracking.mlflow_names import stored_tag
from layerline.tracking.store import tracking_uri
from layerline.tracking.store_history import DEFAULT
from layerline.tracking.store_session import open_session
from layerline.tracking.tracking_switch import is_off

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG = "layerline.looks"
SECONDS = 10.0
_RUNS, _NAMES = 200, 200  # the newest; a tag holds some thousand characters
_NAME = re.compile("[0-9a-f]{16}")  # it becomes the name of a file


def fetch_looks(home: Path, project: str, rows: str) -> set[str]:
    """The looks at these test rows that a shared store knows; none where it cannot be read.

    Args:
        home: the main checkout, whose own database has nobody else's runs.
        project: the experiment.
        rows: the hash of the test rows.
    """
    uri = tracking_uri(home)
    if is_off() or sqlite_path(uri) == home / DEFAULT:
        return set()
    doing = "reading looks at the test rows"
    try:
        with deadline(uri, doing, SECONDS), open_session(home, doing, "they are not counted") as it:
            return read_looks(it, project, rows)
    except TrackingError:
        return set()


def read_looks(client: "MlflowClient", project: str, rows: str) -> set[str]:
    """The looks at these test rows that the project's runs list, deleted runs as well."""
    from mlflow.entities import ViewType

    experiment = client.get_experiment_by_name(project)
    if experiment is None:
        return set()
    tag = stored_tag(TAG)
    runs = client.search_runs(
        [experiment.experiment_id],
        filter_string=f"tags.`{tag}` LIKE '{rows} %'",
        run_view_type=ViewType.ALL,
        max_results=_RUNS,
        order_by=["attributes.start_time DESC"],
    )
    listed = {name for run in runs for name in run.data.tags[tag].split()[1:]}
    return {name for name in listed if _NAME.fullmatch(name)}


def list_looks(client: "MlflowClient", run_id: str, rows: str, names: Sequence[str]) -> None:
    """List looks at these test rows with a run; of very many the last ones."""
    client.set_tag(run_id, stored_tag(TAG), " ".join([rows, *names[-_NAMES:]]))
