"""`layerline runs`: trainings, newest first, each with what it changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from layerline.runs.dvc_hashes import Kind, compare, is_code, recorded, with_whole_lists
from layerline.runs.param_differences import Change, changes, short_names
from layerline.runs.resolve import Registered, registered
from layerline.runs.run import PAGE, Run, experiment_of, experiments, search
from layerline.runs.sweep import looks_dead

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAIN_METRICS = ("accuracy", "log_loss", "rmse", "r2")
_LATER = ("evaluate", "register")


@dataclass(frozen=True)
class Row:
    """A training, and what differs from the one before it in the same project."""

    run: Run
    before: Run | None
    params: tuple[Change, ...] = ()
    others: tuple[str, ...] = ()  # "code", "data"
    model: str = ""  # "v3 promoted @champion"
    seems_dead: bool = False

    @property
    def status(self) -> str:
        """The run's status, and what later stages of it failed."""
        if self.seems_dead:
            return f"{self.run.status}, process gone"
        later = {stage: self.run.tags.get(f"layerline.{stage}.status") for stage in _LATER}
        failed = [f"{stage} {status}" for stage, status in later.items() if status == "FAILED"]
        return ", ".join([self.run.status, *failed])

    @property
    def metrics(self) -> dict[str, float]:
        """The main figures of the test rows."""
        found = {name: self.run.metrics.get(f"test_{name}") for name in MAIN_METRICS}
        return {name: value for name, value in found.items() if value is not None}

    def changed(self, names: Mapping[str, str], most: int | None = None) -> str:
        """A short text of what differs; `names` gives each param its short name."""
        if self.before is None:
            return "first run"
        shown = [change.shown_as(names.get(change.name, change.name)) for change in self.params]
        if most is not None and len(shown) > most:
            shown = [*shown[:most], f"{len(shown) - most} more params"]
        return ", ".join([*shown, *self.others]) or "nothing"

    def to_json(self) -> dict[str, Any]:
        run = self.run
        return {
            "run_id": run.run_id,
            "name": run.name,
            "project": run.project,
            "dvc_experiment": run.dvc_experiment or None,
            "start_ms": run.start_ms,
            "end_ms": run.end_ms,
            "seconds": round(run.seconds, 3),
            "status": run.status,
            "status_in_words": self.status,
            "message": run.tags.get("layerline.message"),
            "metrics": dict(run.metrics),
            "registration": _registration(run),
            "model": self.model or None,
            "before": None if self.before is None else self.before.run_id,
            "changed_params": {c.name: [c.before, c.after] for c in self.params},
            "changed_others": list(self.others),
        }


def _registration(run: Run) -> dict[str, str] | None:
    prefix = "layerline.registration."
    found = {k.removeprefix(prefix): v for k, v in run.tags.items() if k.startswith(prefix)}
    return found or None


@dataclass(frozen=True)
class Listing:
    """The rows to show, and whether there are older ones."""

    rows: tuple[Row, ...]
    has_more: bool = False

    @property
    def names(self) -> dict[str, str]:
        """The short name of each param."""
        return short_names({name for row in self.rows for name in row.run.params})

    @property
    def metrics(self) -> list[str]:
        """The main figures that any of the runs has."""
        return [name for name in MAIN_METRICS if any(name in row.metrics for row in self.rows)]


def list_runs(client: "MlflowClient", project: str | None, limit: int) -> Listing:
    """The newest trainings of a project, or of all projects of the store (None)."""
    names = experiments(client) if project is None else experiment_of(client, project)
    # One more than is shown: the last one shown has a run before it, too. Of all projects all are
    # read, for the run before may be of any age.
    n_read = None if project is None else limit + 1
    runs = search(client, names, page_size=min(PAGE, n_read or PAGE))
    found = [with_whole_lists(client, run) for run in islice(runs, n_read)]
    before: dict[str, Run] = {}
    earlier: dict[str, Run] = {}
    for run in reversed(found):
        if run.project in before:
            earlier[run.run_id] = before[run.project]
        before[run.project] = run
    shown = found[:limit]
    models = {name: registered(client, name) for name in sorted({run.project for run in shown})}
    rows = tuple(_to_row(run, earlier.get(run.run_id), models[run.project]) for run in shown)
    return Listing(rows, has_more=len(found) > limit)


def _to_row(run: Run, before: Run | None, model: Registered) -> Row:
    return Row(
        run=run,
        before=before,
        params=() if before is None else changes(before.params, run.params),
        others=() if before is None else _others(before, run),
        model=_model(run, model),
        seems_dead=looks_dead(run),
    )


def _model(run: Run, model: Registered) -> str:
    """The version this run became, the gate's verdict, and the aliases it holds today."""
    version = run.tags.get("layerline.registration.version")
    if version is None:
        return ""
    promoted = run.tags.get("layerline.registration.promoted") == "true"
    aliases = [f"@{alias}" for alias in model.aliases_of(version)]
    return " ".join([f"v{version}", "promoted" if promoted else "not promoted", *aliases])


def _others(before: Run, after: Run) -> tuple[str, ...]:
    """Whether code or data differ, as far as both runs recorded them.

    What a stage made of the same data does not count, but for what fetch brought.
    """
    found = set()
    made = {
        path
        for run in (before, after)
        for stage in ("validate", "scale")
        for path in _md5(run, stage, "outs")
    }
    for stage in ("fetch", "validate", "scale", "train"):
        old, new = (recorded(run.tags, stage, "deps") for run in (before, after))
        if old is not None and new is not None:
            changed = [change.name for change in compare(old, new) if change.name not in made]
            found |= {"code" if is_code(name) else "data" for name in changed}
    return tuple(sorted(found))


def _md5(run: Run, stage: str, kind: Kind) -> Mapping[str, str]:
    hashes = recorded(run.tags, stage, kind)
    return {} if hashes is None else hashes.md5
