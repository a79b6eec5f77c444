"""An explanation as lines of text."""

from collections.abc import Iterable, Iterator

from layerline.runs.dvc_hashes import is_code
from layerline.runs.explain import DATA_STAGES, Explanation, StageChange
from layerline.runs.param_differences import Change

_INDENT = " " * 10


def format_explanation(found: Explanation) -> Iterator[str]:
    """The explanation, line by line."""
    yield f"why {found.run}"
    message = found.run.tags.get("layerline.message")
    if message:
        yield f"it ended with: {message}"
    if found.before is None:
        yield f"it is the first run of {found.run.project}: no earlier run to compare with"
    else:
        yield f"against {found.before}, the run before it"
    yield ""
    yield f"{'code':<10}{_code(found)}"
    if found.overall:
        yield "overall"
        yield from _params(found.overall)
    for stage in found.stages:
        yield from _stage(stage, found)
    for note in found.notes:
        yield f"note: {note}"
    if found.before is not None and not _differs(found):
        yield "\nnothing that was recorded differs: the same params, files and commit"


def _code(found: Explanation) -> str:
    (old, new), (was_dirty, is_dirty) = found.commit, found.dirty
    if new is None:
        return "no git commit was recorded"
    now = f"commit {new[:7]}{_dirt(is_dirty)}"
    if found.before is None or old == new:
        same = "" if found.before is None else "same "
        changed = "" if found.before is None or was_dirty == is_dirty else _dirt_before(was_dirty)
        doubt = "; they may differ" if changed == "" and same and is_dirty == "true" else ""
        return f"{same}{now}{changed}{doubt}"
    before = "no commit" if old is None else f"commit {old[:7]}{_dirt(was_dirty)}"
    return f"{before} → {now}"


def _dirt(dirty: str | None) -> str:
    return {"true": " with uncommitted changes", "false": ", clean"}.get(dirty or "", "")


def _dirt_before(was_dirty: str | None) -> str:
    before = {"true": "with uncommitted changes", "false": "clean"}.get(was_dirty or "", "unknown")
    return f" (before: {before})"


def _stage(stage: StageChange, found: Explanation) -> Iterator[str]:
    yield f"{stage.stage:<10}{_headline(stage, found)}"
    yield from _params(stage.params)
    data = [change for change in stage.deps if not is_code(change.name)]
    code = [change for change in stage.deps if is_code(change.name)]
    yield from _files("reads", data)
    yield from _files("code", code)
    yield from _files("wrote", stage.outs)
    for note in stage.notes:
        yield f"{_INDENT}({note})"


def _headline(stage: StageChange, found: Explanation) -> str:
    if stage.is_same and stage.stage in DATA_STAGES:
        return f"did not run again: both used its run {stage.run_id[:8]}"
    if stage.is_restored:
        return f"was not run: DVC took the outputs of its run {stage.run_id[:8]} from its cache"
    if not stage.ran:
        status = found.run.status
        is_open = stage.stage not in DATA_STAGES and status == "RUNNING"
        return "not reached yet" if is_open else "did not run, or recorded no reason"
    where = f" as {stage.run_id[:8]}" if stage.stage in DATA_STAGES else ""
    reasons = [reason for reason in stage.ran.split("; ") if not _is_shown(reason, stage, found)]
    return f"ran{where}: {'; '.join(reasons)}" if reasons else f"ran{where}"


def _is_shown(reason: str, stage: StageChange, found: Explanation) -> bool:
    """Whether the lines below repeat a reason that the stage recorded itself."""
    params = (*stage.params, *found.overall)
    if any(reason.endswith(f": {change.before} → {change.after}") for change in params):
        return True
    return reason in {f"{change.name} changed" for change in stage.deps}


def _params(found: Iterable[Change]) -> Iterator[str]:
    for change in found:
        yield f"{_INDENT}param: {change.shown_as(change.name)}"


def _files(verb: str, found: Iterable[Change]) -> Iterator[str]:
    for change in found:
        before, after = (None if md5 is None else md5[:8] for md5 in change[1:])
        if before is None:
            what = f"is new ({after})"
        elif after is None:
            what = "is gone"
        else:
            what = f"changed ({before} → {after})"
        yield f"{_INDENT}{verb}: {change.name} {what}"


def _differs(found: Explanation) -> bool:
    """Whether anything differs, or may: what a note speaks of is not known."""
    (old, new), (was_dirty, is_dirty) = found.commit, found.dirty
    stages = any(stage.params or stage.deps or stage.outs or stage.notes for stage in found.stages)
    return bool(found.overall or found.notes or stages or old != new or was_dirty != is_dirty)
