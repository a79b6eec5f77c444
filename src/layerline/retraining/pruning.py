"""What a project no longer needs, and how much room it takes: `layerline prune`.

Nothing that a registered version needs is among it: not its run, nor, of the versions that hold an
alias, what DVC has cached of their data.

To add a kind: a function and a line in KINDS.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from layerline.artifacts import STAGES, Workspace
from layerline.config import Params
from layerline.registry.client import open_registry
from layerline.registry.promotion import versions_of
from layerline.retraining.deleted_runs import deleted_runs, remove_run
from layerline.retraining.dvc_process import Dvc
from layerline.runs.dvc_hashes import KINDS as DVC_KINDS
from layerline.runs.dvc_hashes import recorded
from layerline.tracking.spool import done_journals, remove_journal

DAY_SECONDS = 86400.0


class Leftover(NamedTuple):
    """One thing that may go."""

    kind: str
    name: str
    n_bytes: int
    remove: Callable[[], None]


class Project(NamedTuple):
    """Where leftovers are looked for, and from which age on."""

    workspace: Workspace
    params: Params
    days: float

    @property
    def home(self) -> Path:
        return self.workspace.home

    def is_old(self, path: Path) -> bool:
        """Whether nothing in it was written for so long."""
        times = [path.stat().st_mtime, *(one.stat().st_mtime for one in path.rglob("*"))]
        return time.time() - max(times) > self.days * DAY_SECONDS


def _folders(name: str) -> Callable[[Project], Iterator[Leftover]]:
    """Folders below .layerline/NAME; all can be computed anew."""

    def find(project: Project) -> Iterator[Leftover]:
        for path in sorted((project.home / ".layerline" / name).glob("*")):
            if project.is_old(path):
                yield Leftover(name, path.name, size_of(path), lambda path=path: delete(path))  # type: ignore[misc]

    return find


def _journals(project: Project) -> Iterator[Leftover]:
    """Journals that MLflow has whole."""
    for path in done_journals(project.home, project.days * DAY_SECONDS):
        yield Leftover(
            "journals",
            path.name,
            size_of(path),
            lambda path=path: remove_journal(path),  # type: ignore[misc]
        )


def _runs(project: Project) -> Iterator[Leftover]:
    """Runs that were deleted in MLflow, which keeps them until they are removed."""
    home, params = project.home, project.params
    with open_registry(home, "looking for deleted runs") as client:
        needed = {str(one.run_id) for one in versions_of(client, params.project)}
        for run_id, folder in deleted_runs(client, project.days * DAY_SECONDS):
            if run_id not in needed:
                n_bytes = size_of(folder) if folder is not None else 0
                yield Leftover(
                    "deleted runs",
                    run_id,
                    n_bytes,
                    lambda run_id=run_id: remove_run(home, run_id),  # type: ignore[misc]
                )


def _cache(project: Project) -> Iterator[Leftover]:
    """What `dvc gc` removes: cached, but in no commit, no experiment, and not in the workspace."""
    root = project.workspace.root
    if not (root / ".dvc").is_dir():
        return
    with Dvc(root, lambda line: None) as dvc:
        paths = dvc.unused_cache()
    kept = _needed_hashes(project, {path.parent.name + path.name: path for path in paths})
    for path in paths:
        name = path.parent.name + path.name
        if name not in kept and path.is_file():
            yield Leftover("dvc cache", name, size_of(path), lambda path=path: delete(path))  # type: ignore[misc]


def _needed_hashes(project: Project, unused: Mapping[str, Path]) -> set[str]:
    """The md5 of the data of versions that hold an alias, and of the files of their folders."""
    name = project.params.project
    with open_registry(project.home, f"looking up the versions of {name}") as client:
        found: set[str] = set()
        versions = versions_of(client, name)
        held = client.get_registered_model(name).aliases.values() if versions else ()
        numbers = set(map(str, held))
        for version in versions:
            if str(version.version) in numbers and version.run_id:
                tags = client.get_run(version.run_id).data.tags
                lists = (recorded(tags, stage, kind) for stage in STAGES for kind in DVC_KINDS)
                found |= {md5 for one in lists if one is not None for md5 in one.md5.values()}
    for folder in [md5 for md5 in found if md5.endswith(".dir") and md5 in unused]:
        found |= {entry["md5"] for entry in json.loads(unused[folder].read_text("utf-8"))}
    return found


KINDS: tuple[Callable[[Project], Iterator[Leftover]], ...] = (
    _folders("snapshots"),
    _folders("backtest"),
    _journals,
    _runs,
    _cache,
)


def find_leftovers(workspace: Workspace, params: Params, days: float) -> list[Leftover]:
    """What may go, by kind; of DVC's cache whatever its age.

    Raises:
        TrackingError: the store is unavailable: what its versions need is not known.
        BusyError: DVC is at work.
    """
    project = Project(workspace, params, days)
    return [found for kind in KINDS for found in kind(project)]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def delete(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
