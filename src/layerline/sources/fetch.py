"""The fetch stage's work: run the source, find the task, seal data/raw."""

import importlib
from typing import Any

from layerline.artifacts import Workspace, replace_folder
from layerline.config import FetchSection
from layerline.lookup import read_options
from layerline.sources import SOURCES, find_source
from layerline.sources.last_fetch import compare_with_last
from layerline.tables.storage import read_column
from layerline.tables.targets import named
from layerline.tables.task import resolve_tasks


def load_libraries(name: str) -> None:
    """Import what the source will need, now: the caller is waiting for another process anyway."""
    for library in SOURCES[name].libraries if name in SOURCES else ():
        importlib.import_module(library)


def fetch(
    workspace: Workspace, section: FetchSection, *, has_schema: bool = False
) -> dict[str, Any]:
    """Write data/raw; return its manifest, with notes on what changed since the last fetch.

    With `has_schema` rows of a class too many are left to validation, which knows the classes.

    Raises:
        SourceError: the source cannot be reached or read.
        DataError: the table is empty, has no target column, or its target fits no task.
    """
    build = find_source(section.source).build
    options = read_options(build, section.options, "fetch.options")
    about: dict[str, Any] = {"source": section.source, **named(section.targets)}
    with replace_folder(workspace.raw, about) as folder:
        info = build(folder, section.target, **options)
        columns = {n: read_column(folder, n, section.source) for n in section.targets}
        n_rows = columns[section.targets[0]][0]
        task, reason = resolve_tasks(
            lambda name: columns[name][1], section.targets, section.task, has_schema=has_schema
        )
        about.update(
            kind=info.kind,
            split_column=info.split_column,
            origin=info.origin,
            notes=list(info.notes),
            n_rows=n_rows,
            task=task,
            task_reason=reason,
        )
        if section.weights is not None:
            about["weights"] = section.weights
        if info.written:
            about["written"] = dict(info.written)
    # Not in the manifest: its bytes depend on the source alone, not on earlier fetches.
    return about | {"notes": [*about["notes"], *compare_with_last(workspace, section)]}
