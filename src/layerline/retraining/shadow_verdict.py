"""What the live rows say of the challenger, beside the champion that answered them.

reports/shadow.json keeps the verdict; once it is `promote` or `drop` for a pair of versions it
stays, as the test's guarantee is of the first look at which it was reached.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pyarrow.parquet import read_schema

from layerline.artifacts import Workspace, read_json_as, replace_file, write_json
from layerline.config import GateSection, Params
from layerline.errors import TrackingError
from layerline.model.bundle import About
from layerline.registry.client import open_registry
from layerline.registry.gate import live_metric
from layerline.registry.promotion import CHALLENGER
from layerline.retraining.live_rows import ACTUAL, SHADOW, TIME, VERSION, rows_path
from layerline.retraining.live_score import predictions_of, served, test_scores, with_truth
from layerline.retraining.sequential_test import (
    WAIT,
    Floats,
    bounded_gains,
    log_wealth,
    weigh,
)
from layerline.tables.storage import read_parquet
from layerline.text import readable

CONFIDENCE = 0.95
_LEAST_PROBABILITY = 0.01  # of the log loss: less counts as this
_ERRORS = 3.0  # a larger error than this many times the champion's test error counts as that


class Pair(NamedTuple):
    """The versions that are compared."""

    champion: str
    challenger: str


def verdict_path(workspace: Workspace) -> Path:
    """Where the verdict is kept."""
    return workspace.reports / "shadow.json"


def find_pair(workspace: Workspace, params: Params) -> Pair | None:
    """The champion and the challenger; None where either is missing.

    Raises:
        TrackingError: the store is unavailable.
    """
    from mlflow.exceptions import MlflowException

    with open_registry(workspace.home, f"looking up the challenger of {params.project}") as client:
        try:
            aliases = client.get_registered_model(params.project).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
    numbers = [aliases.get(alias) for alias in (params.register.alias, CHALLENGER)]
    return None if None in numbers else Pair(*map(str, numbers))


def has_shadow(workspace: Workspace) -> bool:
    """Whether a shadow predicted any of the rows that are kept."""
    path = rows_path(workspace)
    return path.exists() and f"{SHADOW}{VERSION}" in read_schema(path).names


def look_at_shadow(workspace: Workspace, params: Params) -> dict[str, Any] | None:
    """Test the challenger by all labelled rows that both versions predicted; None without one.

    Writes reports/shadow.json and shadow.png.

    Raises:
        TrackingError: the store is unavailable.
        SourceError: a report or the champion is damaged.
    """
    pair = find_pair(workspace, params)
    if pair is None:
        return None
    about, _ = served(workspace, params)
    gate = params.register.gate
    metric = live_metric(gate, about.task)
    rows, most, gains = _predicted_by_both(workspace, about, pair), 1.0, np.empty(0)
    if len(rows):
        most = largest_loss(metric, test_scores(workspace, params).get(pair.champion) or {})
        gains = _gains(rows, about, metric, most)
    facts = judge_gains(gains, most, gate) | {"metric": metric, **pair._asdict()}
    earlier = _earlier(verdict_path(workspace), pair)
    if earlier is not None:
        facts["decision"] = earlier
    workspace.reports.mkdir(parents=True, exist_ok=True)
    with replace_file(verdict_path(workspace).with_suffix(".png")) as temporary:
        _draw(temporary, gains, facts)
    write_json(verdict_path(workspace), facts)
    return facts


def largest_loss(metric: str, tests: Mapping[str, float | None]) -> float:
    """What a row can lose at most in the test; known before any row is served.

    Raises:
        TrackingError: the champion's test scores, which it depends on, were not registered.
    """
    if metric == "log_loss":
        return -math.log(_LEAST_PROBABILITY)
    if metric in ("rmse", "mae"):
        error = tests.get(metric)
        if not error:
            raise TrackingError(
                f"the champion's {metric} on the test rows was not registered; train a new version"
            )
        return (_ERRORS * error) ** 2 if metric == "rmse" else _ERRORS * error
    return 1.0


def _predicted_by_both(workspace: Workspace, about: About, pair: Pair) -> pd.DataFrame:
    """The labelled rows that both versions predicted, in the order in which they were served."""
    path = rows_path(workspace)
    rows = read_parquet(path) if path.exists() else pd.DataFrame()
    if f"{SHADOW}{VERSION}" not in rows:
        return pd.DataFrame()
    both = (rows[VERSION] == pair.champion) & (rows[f"{SHADOW}{VERSION}"] == pair.challenger)
    rows = with_truth(rows[both], about)
    return rows.sort_values(TIME, kind="stable").reset_index(drop=True)


def _gains(rows: pd.DataFrame, about: About, metric: str, most: float) -> Floats:
    """(B,) gains of the challenger in -1..1."""
    names = [name for name in map(str, rows) if name.startswith(SHADOW)]
    shadow = rows[[*names, ACTUAL]].rename(columns=lambda name: name.removeprefix(SHADOW))
    first, second = (
        predictions_of(part, about).row_losses(metric)
        for part in (rows.drop(columns=names), shadow)
    )
    return bounded_gains(first, second, most)


def judge_gains(gains: Floats, most: float, gate: GateSection) -> dict[str, Any]:
    """The test's verdict as shadow.json holds it; `gain` is in the unit of a row's loss."""
    found = weigh(gains, min(gate.margin / most, 1.0), CONFIDENCE)
    return {
        "decision": found.decision,
        "n_rows": len(gains),
        "gain": float(gains.mean()) * most if len(gains) else None,
        "margin": gate.margin,
        "evidence_better": math.exp(min(found.better, 700.0)),
        "evidence_worse": math.exp(min(found.worse, 700.0)),
        "evidence_needed": round(math.exp(found.needed), 6),
    }


def _earlier(path: Path, pair: Pair) -> str | None:
    """What was decided of this pair before; None where nothing was."""
    if not path.exists():
        return None
    facts = read_json_as(path, lambda found: {name: found[name] for name in _KEPT})
    is_same = Pair(facts["champion"], facts["challenger"]) == pair
    return str(facts["decision"]) if is_same and facts["decision"] != WAIT else None


_KEPT = ("champion", "challenger", "decision")


def verdict_line(facts: Mapping[str, Any]) -> str:
    """The verdict in one line."""
    start = f"version {facts['challenger']} beside {facts['champion']}: {facts['decision']}"
    if not facts["n_rows"]:
        return f"{start}; no labelled row was predicted by both"
    return (
        f"{start} after {facts['n_rows']:,} rows, mean gain {readable(facts['gain'])}; evidence "
        f"{facts['evidence_better']:.3g} that it is better, {facts['evidence_worse']:.3g} that it "
        f"is worse, {facts['evidence_needed']:g} decides"
    )


def _draw(path: Path, gains: Floats, facts: Mapping[str, Any]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for label, path_of in (("better", gains), ("worse", -gains)):
        axes.plot(np.exp(np.clip(log_wealth(path_of), -20, 20)), label=f"that it is {label}")
    axes.axhline(facts["evidence_needed"], color="grey", linestyle=":", label="decides")
    title = f"Version {facts['challenger']} beside {facts['champion']}: {facts['decision']}"
    axes.set(xlabel="labelled rows", ylabel="evidence", yscale="log", title=title)
    axes.legend()
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})
