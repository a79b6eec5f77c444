"""`layerline compare`: what several runs have, side by side."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import SourceError
from layerline.runs.dvc_hashes import recorded
from layerline.runs.open_store import RequestError
from layerline.runs.param_differences import SPLITS, differing
from layerline.runs.run import Run
from layerline.runs.shared_rows import Resampling, SharedRows, classes_of, is_classification, pair
from layerline.tracking.mlflow_names import metric_history

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

PREDICTIONS = "predictions.parquet"
CURVES = ("train_loss", "valid_loss", "valid_error")
_ORIGINS = {"git commit": "mlflow.source.git.commit", "uncommitted changes": "layerline.git.dirty"}

Curves = Mapping[str, list[tuple[int, float]]]


@dataclass(frozen=True)
class Comparison:
    """Several runs; every list has one entry a run, in the order of `runs`."""

    runs: tuple[Run, ...]
    params: Mapping[str, list[str | None]]
    origins: Mapping[str, list[str | None]]
    metrics: Mapping[str, list[float | None]]
    curves: tuple[Curves, ...]
    resampling: Resampling
    paired: tuple[int, ...] = ()  # which runs `shared` is of
    shared: SharedRows | None = None
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        return [f"{run.short} {run.name}".strip() for run in self.runs]

    @property
    def folder(self) -> str:
        """Where the comparison is among a run's artifacts."""
        shorts = [run.short for run in self.runs]
        return f"comparison/{'-'.join(shorts[:8])}" + (
            f"-and-{len(shorts) - 8}-more" if len(shorts) > 8 else ""
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "runs": [_run_json(run) for run in self.runs],
            "params": dict(self.params),
            "origins": dict(self.origins),
            "metrics": dict(self.metrics),
            "shared_test_rows": None if self.shared is None else self._shared_json(self.shared),
            "notes": list(self.notes),
        }

    def _shared_json(self, shared: SharedRows) -> dict[str, Any]:
        return {
            "runs": [self.runs[number].run_id for number in self.paired],
            **dataclasses.asdict(shared),
            **dataclasses.asdict(self.resampling),
        }


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "name": run.name,
        "dvc_experiment": run.dvc_experiment or None,
        "status": run.status,
        "start_ms": run.start_ms,
    }


def compare_runs(client: "MlflowClient", runs: Sequence[Run], resampling: Resampling) -> Comparison:
    """Gather what the runs have; the others are compared with the first.

    Raises:
        RequestError: fewer than two runs, or one of them twice.
    """
    _require_several(runs)
    tables, notes = _read_predictions(client, runs)
    paired, shared, more = _pair(runs, tables, resampling)
    unfinished = [
        f"{run.short} is {run.status}: it has what was recorded until then"
        for run in runs
        if run.status != "FINISHED"
    ]
    return Comparison(
        runs=tuple(runs),
        params=differing(runs),
        origins=_origins(runs),
        metrics=_metrics(runs),
        curves=tuple(_curves(client, run) for run in runs),
        resampling=resampling,
        paired=paired,
        shared=shared,
        notes=(*unfinished, *notes, *more),
    )


def _require_several(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise RequestError("name two runs or more to compare; `layerline runs` lists them")
    seen: set[str] = set()
    for run in runs:
        if run.run_id in seen:
            raise RequestError(f"{run} is named twice; compare it with another run")
        seen.add(run.run_id)


def _origins(runs: Sequence[Run]) -> dict[str, list[str | None]]:
    """Where the runs come from, as far as they differ: commits, and md5 of data and code."""
    found = {name: [run.tags.get(tag) for run in runs] for name, tag in _ORIGINS.items()}
    hashes = [recorded(run.tags, "train", "deps") for run in runs]
    known = [{} if one is None else one.md5 for one in hashes]
    for path in sorted({path for one in known for path in one}):
        found[path] = [one.get(path) for one in known]
    # A run without a value counts as equal to the rest.
    return {name: values for name, values in found.items() if len(set(values) - {None}) > 1}


def _metrics(runs: Sequence[Run]) -> dict[str, list[float | None]]:
    """Figures of train, valid and test; not the curves, whose last value is not a final figure."""
    names = dict.fromkeys(
        name
        for split in SPLITS
        for run in runs
        for name in sorted(run.metrics)
        if name.startswith(f"{split}_") and name not in CURVES
    )
    return {name: [run.metrics.get(name) for run in runs] for name in names}


def _curves(client: "MlflowClient", run: Run) -> Curves:
    """The value of each epoch; of an epoch that was trained again the last one counts."""
    found = {}
    for name in CURVES:
        if name in run.metrics:
            history = metric_history(client, run.run_id, name)
            last = {
                int(metric.step): float(metric.value)
                for metric in sorted(history, key=lambda metric: metric.timestamp)
            }
            found[name] = sorted(last.items())
    return found


def _read_predictions(
    client: "MlflowClient", runs: Sequence[Run]
) -> tuple[list["pd.DataFrame | None"], list[str]]:
    from layerline.evaluation.prediction_table import read_record

    tables: list[pd.DataFrame | None] = []
    notes = []
    for run in runs:
        table = None
        if not any(found.path == PREDICTIONS for found in client.list_artifacts(run.run_id)):
            notes.append(f"{run.short} has no {PREDICTIONS}: it is left out of the shared rows")
        else:
            with temporary_folder() as folder:
                path = client.download_artifacts(run.run_id, PREDICTIONS, str(folder))
                try:
                    table = _require_columns(read_record(Path(path)))
                except SourceError:
                    notes.append(
                        f"{run.short}: its {PREDICTIONS} cannot be read, so it is left "
                        "out of the shared rows"
                    )
        tables.append(table)
    return tables, notes


def _require_columns(table: "pd.DataFrame") -> "pd.DataFrame":
    missing = {"id", "actual", "prediction"} - set(table.columns)
    if missing:
        raise SourceError(f"{PREDICTIONS}: no column {', '.join(sorted(missing))}")
    unknown = set(table["prediction"].map(str)) - set(classes_of(table))
    if is_classification(table) and unknown:
        raise SourceError(f"{PREDICTIONS}: no probability of {', '.join(sorted(unknown))}")
    return table


def _pair(
    runs: Sequence[Run], tables: Sequence["pd.DataFrame | None"], resampling: Resampling
) -> tuple[tuple[int, ...], SharedRows | None, list[str]]:
    """The shared rows of all runs that have predictions of the first one's kind, and share any."""
    known = [(number, table) for number, table in enumerate(tables) if table is not None]
    if len(known) < 2:
        return (), None, []
    (first, reference), notes = known[0], []
    chosen = [(first, reference)]
    for number, table in known[1:]:
        if is_classification(table) != is_classification(reference):
            kinds = ("classes", "numbers") if is_classification(table) else ("numbers", "classes")
            notes.append(
                f"{runs[number].short} predicts {kinds[0]}, {runs[first].short} {kinds[1]}: "
                "it is left out of the shared rows"
            )
        elif not reference["id"].isin(table["id"]).any():
            notes.append(f"{runs[number].short} shares no test row with {runs[first].short}")
        else:
            chosen.append((number, table))
    if len(chosen) < 2:
        return (), None, notes
    shared = pair([table for _, table in chosen], resampling)
    return tuple(number for number, _ in chosen), shared, [*notes, *shared.notes]
