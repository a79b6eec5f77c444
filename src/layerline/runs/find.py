"""`layerline runs --find`: which runs made a file or used it, and which model versions hold it."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from layerline.runs.digests import Carried, Folders, Wanted, carried
from layerline.runs.dvc_hashes import lists_cut, with_whole_lists
from layerline.runs.run import Run, experiments, search
from layerline.tracking.mlflow_names import plain_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

Role = Literal["made", "used", "holds"]
OWN_STAGES = {"train": ("train", "evaluate", "register")}
_ROLES = ("made", "used", "holds")


@dataclass(frozen=True)
class Hit:
    """A run (or model version) and what it had to do with the file, at which stages."""

    role: Role
    path: str
    digest: str
    stages: tuple[str, ...]
    run_id: str
    name: str
    start_ms: int
    who: str  # for people: "526e9962 mlp-d4857b, 2026-11-03 13:50" or "models:/digits/1"

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"stages": list(self.stages)}


@dataclass(frozen=True)
class Found:
    """All hits, and what could not be looked into."""

    hits: tuple[Hit, ...]
    notes: tuple[str, ...]


def find(client: "MlflowClient", root: Path, asked: Wanted) -> Found:
    """Look through every run and every model version of the store.

    Args:
        client: the store.
        root: the checkout; DVC's cache there lists what was in a folder.
        asked: from `digests.wanted`.
    """
    found = (with_whole_lists(client, run) for run in search(client, experiments(client), ""))
    runs = {run.run_id: run for run in found}
    folders = Folders(root)
    raw = [hit for run in runs.values() for hit in _hits(run, runs, asked, folders)]
    hits = [*_merged(raw), *_versions(client, asked)]
    hits.sort(key=lambda hit: (_ROLES.index(hit.role), hit.path, hit.start_ms))
    return Found(tuple(hits), tuple(_notes(hits, asked, runs.values(), folders)))


def _hits(run: Run, runs: Mapping[str, Run], asked: Wanted, folders: Folders) -> Iterator[Hit]:
    own = OWN_STAGES.get(run.stage, (run.stage,))
    for found in _meeting(run, asked, folders):
        if not found.is_out:
            yield _hit("used", found, run)
        elif found.stage in own:
            yield _hit("made", found, run)
        else:  # made by a data stage, in a run of its own, for this run
            maker = runs.get(run.tags.get(f"layerline.run.{found.stage}", ""))
            if maker is not None:
                yield _hit("made", found, maker)
            yield _hit("used", dataclasses.replace(found, stage=""), run)
    for data in run.datasets:
        if asked.is_met_by(data.digest) or asked.may_be(data.digest):
            context = f" ({data.context})" if data.context else ""
            path = f"data set {data.name}{context}"
            yield _hit("used", Carried(path, data.digest, "", is_out=False), run)


def _meeting(run: Run, asked: Wanted, folders: Folders) -> Iterator[Carried]:
    """What a run carries under the hash asked for, also within folders."""
    for found in carried(run):
        if asked.is_met_by(found.digest):
            yield found
        elif found.digest.endswith(".dir"):
            for name, md5 in (folders.files(found.digest) or {}).items():
                if asked.is_met_by(md5):
                    yield dataclasses.replace(found, path=f"{found.path}/{name}", digest=md5)


def _hit(role: Role, found: Carried, run: Run) -> Hit:
    who = f"{run.short} {run.name}, {run.when}"
    stages = (found.stage,) if found.stage else ()
    return Hit(role, found.path, found.digest, stages, run.run_id, run.name, run.start_ms, who)


def _merged(hits: Iterable[Hit]) -> list[Hit]:
    """One line a run, role and path; with all stages. The same file by md5 and sha256 is one."""
    merged: dict[tuple[str, ...], Hit] = {}
    for hit in hits:
        key = (hit.role, hit.path, hit.run_id)
        known = merged.get(key, hit)
        stages = tuple(dict.fromkeys((*known.stages, *hit.stages)))
        merged[key] = dataclasses.replace(known, stages=stages)
    return list(merged.values())


def _versions(client: "MlflowClient", asked: Wanted) -> Iterator[Hit]:
    for version in client.search_model_versions():
        for tag, digest in plain_tags(version.tags).items():
            if tag.startswith("layerline.") and "sha256" in tag and asked.is_met_by(digest):
                uri = f"models:/{version.name}/{version.version}"
                path = tag.removeprefix("layerline.").removesuffix("_sha256")
                yield Hit(
                    role="holds",
                    path=path,
                    digest=digest,
                    stages=(),
                    run_id=str(version.run_id or ""),
                    name=uri,
                    start_ms=int(version.creation_timestamp or 0),
                    who=f"{uri} of run {str(version.run_id or 'unknown')[:8]}",
                )


def _notes(hits: list[Hit], asked: Wanted, runs: Iterable[Run], folders: Folders) -> Iterator[str]:
    # MLflow keeps the first 32 signs of a data set's sha256.
    n_files = len({hit.digest.removesuffix(".dir")[:32] for hit in hits})
    if n_files > len(asked.beginnings):
        yield f"{n_files} different hashes begin like this: give more of it"
    cut = sorted({run.short for run in runs if lists_cut(run)})
    if cut:
        yield (
            f"{len(cut)} runs list more files than fit into a tag of MLflow, so their lists are "
            f"cut, and more may have used it: {', '.join(cut[:5])}"
        )
    # Only what stages wrote: of other folders DVC keeps no listing.
    outs = {c.digest for run in runs for c in carried(run) if c.is_out}
    n_closed = sum(folders.files(digest) is None for digest in outs if digest.endswith(".dir"))
    if n_closed:
        yield (
            f"{n_closed} folders that stages wrote could not be looked into: DVC's cache no "
            "longer lists their files"
        )
