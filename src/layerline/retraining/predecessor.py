"""The version that was champion before, on the labelled rows that the champion answered."""

from pathlib import Path

import numpy as np
import pandas as pd

from layerline.artifacts import Workspace
from layerline.config import Params
from layerline.drift.new_rows import read_request_log
from layerline.model.bundle import About
from layerline.registry.gate import live_metric
from layerline.registry.holdout import join_truth
from layerline.registry.predict import load_registered
from layerline.retraining.live_rows import VERSION, id_text, log_files, rows_path
from layerline.retraining.live_score import predictions_of, served, test_scores, with_truth
from layerline.retraining.sequential_test import Evidence, Floats, bounded_gains, weigh
from layerline.retraining.shadow_verdict import CONFIDENCE, Pair, largest_loss
from layerline.tables.storage import read_parquet
from layerline.text import readable


def weigh_predecessor(
    workspace: Workspace, params: Params, pair: Pair
) -> tuple[Evidence, str] | None:
    """What the rows say for the version before, and in one line; None without such rows.

    Args:
        workspace: the checkout.
        params: the whole params.yaml.
        pair: the champion, and as its challenger the version before it.

    Raises:
        TrackingError: the store is unavailable.
        SourceError: a version is damaged.
        DataError: it does not read today's rows.
    """
    about, _ = served(workspace, params)
    metric = live_metric(params.register.gate, about.task)
    rows = _answered(workspace, params, about, pair.champion)
    if rows is None:
        return None
    most = largest_loss(metric, test_scores(workspace, params).get(pair.champion) or {})
    before = load_registered(f"models:/{params.project}/{pair.challenger}", workspace.home)
    found = before.predict(pd.DataFrame(list(rows["row"])), any_value=True)
    now = predictions_of(rows.drop(columns="row"), about)
    then = join_truth(found, now.actual, about.classes)
    gains = bounded_gains(now.row_losses(metric), then.row_losses(metric), most)
    return weigh(gains, 0.0, CONFIDENCE), _line(gains * most, metric, pair)


def _line(gains: Floats, metric: str, pair: Pair) -> str:
    return (
        f"version {pair.challenger} is surely better than {pair.champion} on the same "
        f"{len(gains):,} labelled rows: {metric} by {readable(float(np.mean(gains)))} a row"
    )


def _answered(
    workspace: Workspace, params: Params, about: About, version: str
) -> pd.DataFrame | None:
    """Labelled rows that this version answered, with what was asked in the column `row`."""
    path = rows_path(workspace)
    if not path.exists() or about.image_shape is not None:
        return None
    rows = with_truth(read_parquet(path), about)
    rows = rows[rows[VERSION] == version]
    asked = _asked(workspace.root / params.retrain.live.log, version)
    rows = rows[rows["id"].isin(asked)].reset_index(drop=True)
    return rows.assign(row=rows["id"].map(asked)) if len(rows) else None


def _asked(log: Path, version: str) -> dict[str, dict[str, object]]:
    """Id -> the row that was asked last, of those that the version answered."""
    return {
        id_text(entry["id"]): entry["row"]  # type: ignore[misc]
        for file in log_files(log)
        for entries in read_request_log(file)
        for entry in entries
        if entry.get("id") is not None and entry["version"] == version
    }
