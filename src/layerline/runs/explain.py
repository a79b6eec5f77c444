"""`layerline runs --why`: what changed since the run before it, stage by stage."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerline.artifacts import STAGES
from layerline.runs.dvc_hashes import KINDS, Kind, compare, recorded, with_whole_lists
from layerline.runs.open_store import RequestError
from layerline.runs.param_differences import OVERALL, Change, changes, stage_of
from layerline.runs.run import TRAINING, Run, experiment_of, search, to_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATA_STAGES = ("fetch", "validate", "scale")
CUT = "layerline.cut."
COMMIT, DIRTY = "mlflow.source.git.commit", "layerline.git.dirty"


@dataclass(frozen=True)
class StageChange:
    """One stage of a run against the same stage of the run before it.

    `ran` is the reason written down when the stage ran; empty when none is known. `run_id` is the
    run that did this stage's work; `is_same`: it is the same one in both; `is_restored`: DVC took
    its outputs from its cache.
    """

    stage: str
    run_id: str = ""
    is_same: bool = False
    is_restored: bool = False
    ran: str = ""
    params: tuple[Change, ...] = ()
    deps: tuple[Change, ...] = ()
    outs: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """A run, the one before it (None for a project's first) and what changed between them."""

    run: Run
    before: Run | None
    commit: tuple[str | None, str | None]
    dirty: tuple[str | None, str | None]
    overall: tuple[Change, ...]
    stages: tuple[StageChange, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run.run_id,
            "name": self.run.name,
            "status": self.run.status,
            "message": self.run.tags.get("layerline.message"),
            "before": None if self.before is None else self.before.run_id,
            "git": {"commit": list(self.commit), "dirty": list(self.dirty)},
            "overall_params": [change._asdict() for change in self.overall],
            "stages": [_stage_json(stage) for stage in self.stages],
            "notes": list(self.notes),
        }


def _stage_json(stage: StageChange) -> dict[str, Any]:
    kinds = ("params", "deps", "outs")
    found = {kind: [change._asdict() for change in getattr(stage, kind)] for kind in kinds}
    return dataclasses.asdict(stage) | found


def explain(client: "MlflowClient", run: Run) -> Explanation:
    """Compare a training with the one that was started before it in the same project.

    Raises:
        RequestError: it is not a training.
    """
    if run.stage != "train":
        maker = f"stage {run.stage}" if run.stage else "another tool"
        raise RequestError(f"{run} is a run of {maker}; --why explains trainings")
    before = _before(client, run)
    run = with_whole_lists(client, run)
    before = None if before is None else with_whole_lists(client, before)
    params = () if before is None else changes(before.params, run.params)
    stages = (_stage_change(client, before, run, stage, params) for stage in STAGES)
    return Explanation(
        run=run,
        before=before,
        commit=_pair(before, run, COMMIT),
        dirty=_pair(before, run, DIRTY),
        overall=tuple(change for change in params if stage_of(change.name) == OVERALL),
        stages=tuple(stages),
        notes=tuple(_cut_params(before, run)),
    )


def _cut_params(before: Run | None, run: Run) -> Iterator[str]:
    """Params that are longer than MLflow keeps: where the rest differs, nobody sees it here."""
    tags = run.tags.keys() | (before.tags.keys() if before is not None else ())
    names = sorted(tag.removeprefix(CUT) for tag in tags if tag.startswith(CUT))
    if before is not None and names:
        listed = ", ".join(names)
        yield f"longer than MLflow keeps, and so compared by their beginnings only: {listed}"


def _before(client: "MlflowClient", run: Run) -> Run | None:
    condition = f"{TRAINING} and attributes.start_time <= {run.start_ms}"
    runs = search(client, experiment_of(client, run.project), condition, page_size=10)
    return next((other for other in runs if other.run_id != run.run_id), None)


def _pair(before: Run | None, run: Run, tag: str) -> tuple[str | None, str | None]:
    return None if before is None else before.tags.get(tag), run.tags.get(tag)


def _stage_change(
    client: "MlflowClient", before: Run | None, run: Run, stage: str, params: Sequence[Change]
) -> StageChange:
    mine = _run_of(run, stage)
    is_same = before is not None and bool(mine) and mine == _run_of(before, stage)
    ran = "" if is_same else _reason(client, run, mine, stage)
    deps, dep_notes = _changed(before, run, stage, "deps")
    outs, out_notes = _changed(before, run, stage, "outs")
    # Of a stage that did not run nobody expects its files.
    missing = _missing(before, run, stage) if ran or is_same else ()
    return StageChange(
        stage=stage,
        run_id=mine,
        is_same=is_same,
        is_restored=f"layerline.restored.{stage}" in run.tags,
        ran=ran,
        params=tuple(change for change in params if stage_of(change.name) == stage),
        deps=deps,
        # runs/<stage>.json names the run, and so differs whenever the stage ran.
        outs=tuple(change for change in outs if not change.name.startswith("runs/")),
        notes=(*missing, *dep_notes, *out_notes),
    )


def _run_of(run: Run, stage: str) -> str:
    """The run id of the stage's work; empty when it is not known."""
    linked = run.tags.get(f"layerline.run.{stage}", "") if stage in DATA_STAGES else run.run_id
    return "" if linked.startswith("not in this store") else linked


def _reason(client: "MlflowClient", run: Run, run_id: str, stage: str) -> str:
    """What the stage wrote down about why it ran, in its own run or in the training's."""
    tag = f"layerline.why.{stage}"
    if stage not in DATA_STAGES:
        return run.tags.get(tag, "")
    from mlflow.exceptions import MlflowException

    if not run_id:
        return ""
    try:
        return to_run(client.get_run(run_id), "").tags.get(tag, "")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return ""


def _changed(
    before: Run | None, run: Run, stage: str, kind: Kind
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """What differs among a stage's deps or outs, and what is unknown."""
    if before is None:
        return (), ()
    old, new = (recorded(one.tags, stage, kind) for one in (before, run))
    if old is None or new is None:
        return (), ()
    cut = [one.short for one, hashes in ((before, old), (run, new)) if hashes.is_cut]
    note = f"the list of its {kind} is longer than a tag, and cut in {' and '.join(cut)}"
    return compare(old, new), (note,) if cut else ()


def _missing(before: Run | None, run: Run, stage: str) -> tuple[str, ...]:
    """Note where a stage's files are not recorded: DVC records them after the stage.

    No stage follows the last one, so it gets no note.
    """
    if before is None or stage == STAGES[-1]:
        return ()
    unrecorded = [
        one.short
        for one in (before, run)
        if any(recorded(one.tags, stage, kind) is None for kind in KINDS)
    ]
    if not unrecorded:
        return ()
    return (f"what files it read and wrote is not recorded in {' and '.join(unrecorded)}",)
