"""The md5 of files and folders that DVC recorded with a run, in the tags `dvc.<stage>.<kind>`."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from layerline.artifacts import STAGES
from layerline.artifacts.temporary import temporary_folder
from layerline.runs.param_differences import Change
from layerline.runs.run import Run
from layerline.tracking.dvc_lock import LOCK, read_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

Kind = Literal["deps", "outs"]
KINDS: tuple[Kind, ...] = ("deps", "outs")
# Where MLflow's tags end, and so what `tracking.batches` keeps of a longer one.
TAG_LIMIT = 8000
_CODE = ("src/", "pipeline/")


@dataclass(frozen=True)
class Hashes:
    """path -> md5, as DVC writes it (`.dir` at the end for a folder).

    A list that was longer than a tag is cut: what is missing at its end is not known.
    """

    md5: Mapping[str, str]
    is_cut: bool = False


def recorded(tags: Mapping[str, str], stage: str, kind: Kind) -> Hashes | None:
    """A stage's deps or outs as recorded in a run's tags; None when they are not."""
    text = tags.get(f"dvc.{stage}.{kind}")
    if text is None:
        return None
    is_cut = len(text) == TAG_LIMIT
    lines = text.split("\n")[:-1] if is_cut else text.split("\n")
    found = (line.rpartition("=") for line in lines)
    return Hashes({path: md5 for path, _, md5 in found if path}, is_cut)


def lists_cut(run: Run) -> list[str]:
    """The tags of a run whose lists were too long for MLflow, and so were cut."""
    return [
        f"dvc.{stage}.{kind}"
        for stage in STAGES
        for kind in KINDS
        if (found := recorded(run.tags, stage, kind)) is not None and found.is_cut
    ]


def with_whole_lists(client: "MlflowClient", run: Run) -> Run:
    """The run with lists that were cut made whole, from the dvc.lock among its artifacts."""
    cut = lists_cut(run)
    if not cut or not any(found.path == LOCK for found in client.list_artifacts(run.run_id)):
        return run
    with temporary_folder() as folder:
        client.download_artifacts(run.run_id, LOCK, str(folder))
        lock = read_lock(folder)
    whole = {}
    for tag in cut:
        _, stage, kind = tag.split(".")
        items = lock.get(stage, {}).get(kind, ())
        whole[tag] = "\n".join(f"{i['path']}={i['md5']}" for i in items if i.get("md5"))
    return dataclasses.replace(run, tags={**run.tags, **{k: v for k, v in whole.items() if v}})


def is_code(path: str) -> bool:
    """Whether a dep is the project's own code, not data."""
    return path.startswith(_CODE)


def compare(before: Hashes, after: Hashes) -> tuple[Change, ...]:
    """Paths whose md5 differs; of lists that were cut, only what both still hold."""
    paths = [*after.md5, *(path for path in before.md5 if path not in after.md5)]
    found = [Change(path, before.md5.get(path), after.md5.get(path)) for path in paths]
    return tuple(
        change
        for change in found
        if change.before != change.after
        and not (before.is_cut and change.before is None)
        and not (after.is_cut and change.after is None)
    )
