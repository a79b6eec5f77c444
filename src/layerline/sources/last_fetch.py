"""What the last fetch of a source brought, so that the next one can report what changed.

The facts lie in .layerline/fetched of the main checkout, a file for each source and its options:
DVC removes data/raw before the stage runs, and its bytes must not depend on what was there before.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from layerline.artifacts import Workspace, to_json, write_json
from layerline.config import FetchSection
from layerline.tables.storage import IMAGES, table_path
from layerline.text import listing


class Facts(NamedTuple):
    """The rows of a fetch, and what its columns (or images) are."""

    n_rows: int
    columns: dict[str, str]  # name -> type, in order
    image_shape: list[int] | None = None


def facts_of(folder: Path) -> Facts:
    """The facts of what lies in data/raw."""
    file = table_path(folder)
    schema = pq.read_schema(file)
    columns = {column.name: str(column.type) for column in schema}
    images = folder / IMAGES
    shape = None
    if images.is_file():
        shape = list(np.load(images, mmap_mode="r", allow_pickle=False).shape[1:])
    return Facts(int(pq.read_metadata(file).num_rows), columns, shape)


def compare_with_last(workspace: Workspace, section: FetchSection) -> list[str]:
    """Report how data/raw differs from the last fetch of this source; remember data/raw."""
    definition = to_json({"source": section.source, "options": section.options})
    name = hashlib.sha256(definition.encode()).hexdigest()[:16]
    file = workspace.home / ".layerline" / "fetched" / f"{name}.json"
    now = facts_of(workspace.raw)
    before = _read(file)
    write_json(file, {**now._asdict(), "columns": list(now.columns.items())})
    return [] if before is None else changes(before, now)


def changes(before: Facts, now: Facts) -> list[str]:
    """One sentence for each way in which the source shrank or changed its schema."""
    found = []
    if now.n_rows < before.n_rows:
        found.append(f"the source shrank: {now.n_rows:,} rows, {before.n_rows:,} at the last fetch")
    if now.image_shape != before.image_shape:
        found.append(f"images were {before.image_shape} and are now {now.image_shape}")
    vanished = [name for name in before.columns if name not in now.columns]
    added = [name for name in now.columns if name not in before.columns]
    for name, new in _renamed(before, now, vanished, added):
        found.append(f"column {name!r} is gone and {new!r} is in its place: it seems to be renamed")
        vanished.remove(name)
        added.remove(new)
    if vanished:
        found.append(f"gone since the last fetch: {listing(vanished)}")
    if added:
        found.append(f"new since the last fetch: {listing(added)}")
    found += [
        f"column {name!r} was {kind} at the last fetch and is now {now.columns[name]}"
        for name, kind in before.columns.items()
        if now.columns.get(name, kind) != kind
    ]
    return found


def _renamed(
    before: Facts, now: Facts, vanished: list[str], added: list[str]
) -> list[tuple[str, str]]:
    """Columns of one type at one place with another name."""
    old, new = list(before.columns.items()), list(now.columns.items())
    pairs = zip(old, new, strict=False)
    return [
        (name, other)
        for (name, kind), (other, other_kind) in pairs
        if name in vanished and other in added and kind == other_kind
    ]


def _read(file: Path) -> Facts | None:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Facts(found["n_rows"], dict(found["columns"]), found["image_shape"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing was fetched yet, or another version wrote it
