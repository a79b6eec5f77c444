"""The score of what was served, by version and by day, beside the version's test score."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layerline.artifacts import Workspace, read_json_as, write_json
from layerline.artifacts.temporary import temporary_folder
from layerline.config import Params
from layerline.errors import DataError, SourceError
from layerline.evaluation.bootstrap import interval
from layerline.evaluation.metrics import lower_is_better
from layerline.evaluation.predictions import Predictions
from layerline.model.bundle import ABOUT, About
from layerline.model.reference import Reference, read_reference
from layerline.registry.client import open_registry
from layerline.registry.download import download
from layerline.registry.gate import live_metric
from layerline.registry.holdout import join_truth
from layerline.registry.promotion import versions_of
from layerline.retraining.live_rows import ACTUAL, TIME, VERSION, Truths, join, read_truths
from layerline.tracking.mlflow_names import plain_tags

CONFIDENCE = 0.95
_DRAWN = 20_000_000  # values in all resamples of a day


def score_labels(
    workspace: Workspace, params: Params, labels: Path, log: Path | None = None
) -> dict[str, Any]:
    """Join new truths to the request log, and write reports/live.json; return its content.

    Raises:
        LayerlineError: there is no champion, no log, no such file or column.
    """
    live = params.retrain.live
    about, reference = served(workspace, params)
    assert reference.target_spec is not None  # of several targets there is no live score
    truths = read_truths(labels, live.id, reference.target_spec, about)
    rows = join(workspace, log or workspace.root / live.log, truths, about)
    tests = test_scores(workspace, params)
    facts = score_rows(rows, about, live_metric(params.register.gate, about.task), tests)
    facts |= _counts(rows, truths)
    write_json(workspace.reports / "live.json", facts)
    return facts


def served(workspace: Workspace, params: Params) -> tuple[About, Reference]:
    """What the champion is, and the sketch of its training rows."""
    uri = f"models:/{params.project}@{params.register.alias}"
    with temporary_folder() as folder:
        bundle = download(uri, workspace.home, folder).bundle
        about, reference = read_json_as(bundle / ABOUT, About.from_json), read_reference(bundle)
    if about.targets:
        raise DataError(f"{uri}: predicts several targets, and a live score is of one")
    if reference is None:
        raise SourceError(f"{uri}: was registered by an earlier release; train a new version")
    return about, reference


def test_scores(workspace: Workspace, params: Params) -> dict[str, Mapping[str, float | None]]:
    """The metrics on the test rows that each version was registered with."""
    with open_registry(workspace.home, "reading test scores") as client:
        versions = versions_of(client, params.project)
    named = {str(one.version): plain_tags(one.tags) for one in versions}
    tags = {number: found.get("layerline.test_metrics") for number, found in named.items()}
    return {number: json.loads(text) for number, text in tags.items() if text}


def _counts(rows: pd.DataFrame, truths: Truths) -> dict[str, int]:
    n_joined = len(set(truths.by_id) & set(rows["id"]))
    return {
        "n_served": len(rows),
        "n_labelled": int(rows[ACTUAL].notna().sum()),
        "n_labels": len(truths.by_id),
        "n_without_prediction": len(truths.by_id) - n_joined,
        "n_without_value": truths.n_without,
    }


def score_rows(
    rows: pd.DataFrame,
    about: About,
    metric: str,
    tests: Mapping[str, Mapping[str, float | None]],
) -> dict[str, Any]:
    """The metric of each version and day that has labelled rows.

    Returns:
        `versions`: by number, with the `test` score and `sure_drop`, by how much the live score is
        at least worse than that; `days`: in order, over all versions.
    """
    labelled = with_truth(rows, about)
    versions, days = {}, []
    for version, part in labelled.groupby(VERSION):
        test = (tests.get(str(version)) or {}).get(metric)
        found = _score(part, about, metric)
        versions[str(version)] = found | {"test": test, "sure_drop": _drop(found, test, metric)}
    for day, part in labelled.groupby(labelled[TIME].str[:10]):
        days.append({"day": str(day)} | _score(part, about, metric))
    is_lower = lower_is_better(metric)
    return {"metric": metric, "lower_is_better": is_lower, "versions": versions, "days": days}


def with_truth(rows: pd.DataFrame, about: About) -> pd.DataFrame:
    """The rows whose true value is known, and is a class that the model knows."""
    labelled = rows.dropna(subset=ACTUAL)
    if about.classes is None:
        return labelled
    return labelled[labelled[ACTUAL].isin(list(map(str, about.classes)))]


def _drop(found: Mapping[str, Any], test: float | None, metric: str) -> float | None:
    if test is None:
        return None
    return found["lower"] - test if lower_is_better(metric) else test - found["upper"]


def _score(rows: pd.DataFrame, about: About, metric: str) -> dict[str, Any]:
    losses = predictions_of(rows, about).row_losses(metric)
    n_resamples = int(np.clip(_DRAWN // len(losses), 100, 1000))
    found = interval(losses, n_resamples, CONFIDENCE, seed=0)
    means = np.array([found.mean, found.lower, found.upper])
    if metric == "accuracy":
        means = 1 - means[[0, 2, 1]]
    elif metric == "rmse":
        means = np.sqrt(np.maximum(means, 0))
    value, lower, upper = means.tolist()
    return {"n_rows": len(losses), "value": value, "lower": lower, "upper": upper}


def predictions_of(rows: pd.DataFrame, about: About) -> Predictions:
    """Labelled rows -> what was predicted, and the truth."""
    if about.classes is None:
        actual = rows[ACTUAL].to_numpy(dtype=np.float64)
        return join_truth(rows[["prediction"]], actual, None)
    codes = {str(label): code for code, label in enumerate(about.classes)}
    names = [name for name in (f"probability_{label}" for label in codes) if name in rows]
    rows = rows.fillna(dict.fromkeys(names, 0.0))  # of versions that do not know the class
    actual = rows[ACTUAL].map(codes).to_numpy(dtype=np.int64)
    return join_truth(rows[["prediction", *names]], actual, about.classes)
