"""What `layerline schema` does: infer from data/raw, compare with what is frozen, merge.

`compare` finds where the data have left the frozen schema; `merge` writes the changes that the user
accepts into the file and leaves everything else as it is: comments, order, hand edits.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from layerline.artifacts import Workspace, read_manifest, write_text
from layerline.columns.cast import cast_column
from layerline.columns.spec import ColumnSpec
from layerline.columns.written import Written
from layerline.tables.storage import read_images
from layerline.tables.targets import target_names
from layerline.text import exact, listing, plural
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.raw_columns import Columns, RawColumns
from layerline.validation.schema.schema_file import column_entry, parse_schema


def infer_from_raw(workspace: Workspace) -> tuple[TableSchema, RawColumns]:
    """A first schema for what lies in data/raw, and the columns it was inferred from.

    Raises:
        SourceError: data/raw is missing or damaged.
    """
    raw = read_manifest(workspace.raw)
    shape = None
    if raw["kind"] == "images":
        shape = tuple(read_images(workspace.raw).shape[1:])
    columns = RawColumns(workspace.raw)
    written = {name: Written.from_dict(form) for name, form in raw.get("written", {}).items()}
    found = infer_schema(
        columns, target_names(raw), raw["task"], raw["split_column"], shape, written
    )
    return found, columns


_IMAGES = "(images)"  # in place of a column's name


class Change(NamedTuple):
    """One way in which the data have left the frozen schema."""

    column: str
    what: str  # shape, added, vanished, type, written, missing, limits, levels, unseen
    frozen: str
    found: str
    keys: dict[str, Any] | None = None  # of the column's entry, to set; None: nothing to accept

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        shown = {name: getattr(self, name) for name in ("column", "what", "frozen", "found")}
        return {**shown, "update": self.keys}


def compare(frozen: TableSchema, found: TableSchema, columns: Columns) -> list[Change]:
    """Where the data have left the frozen schema, in its order of columns; new columns last."""
    changes = _shapes(frozen, found)
    names = set(found.names)
    for spec in frozen.columns:
        if spec.name not in names:
            keys: dict[str, Any] | None = None if spec.name in frozen.targets else {}
            changes.append(Change(spec.name, "vanished", spec.kind, "", keys))
            continue
        changes += _of_column(spec, found[spec.name], columns[spec.name])
    known = set(frozen.names)
    for spec in found.columns:
        if spec.name not in known:
            entry = dict(column_entry(spec))
            changes.append(Change(spec.name, "added", "", f"{spec.kind} {spec.dtype}", entry))
    return changes


def _shapes(frozen: TableSchema, found: TableSchema) -> list[Change]:
    """Images of another size, or with other channels."""
    before, now = frozen.image_shape, found.image_shape
    if before == now:
        return []
    old, new = (" × ".join(map(str, shape)) if shape else "a table" for shape in (before, now))
    keys = {"shape": list(now)} if before and now else None
    return [Change(_IMAGES, "shape", old, new, keys)]


def _of_column(frozen: ColumnSpec, found: ColumnSpec, values: pd.Series) -> list[Change]:
    typed = cast_column(values, frozen)
    if typed.bad.any():
        keys = {k: v for k, v in column_entry(found).items() if k not in ("min", "max")}
        n_bad = int(typed.bad.sum())
        what = f"{found.kind} {found.dtype} ({plural(n_bad, 'value')} not of {frozen.dtype})"
        return [Change(frozen.name, "type", f"{frozen.kind} {frozen.dtype}", what, keys)]
    changes = []
    if frozen.written != found.written and found.written is not None:
        form = {"written": _flow(found.written.to_dict())}
        plain = "plain" if frozen.written is None else frozen.written.describe()
        changes.append(Change(frozen.name, "written", plain, found.written.describe(), form))
    n_missing = int(typed.values.isna().sum())
    if n_missing and not frozen.nullable:
        keys = {"nullable": True}
        found_text = plural(n_missing, "missing value")
        changes.append(Change(frozen.name, "missing", "not nullable", found_text, keys))
    if frozen.kind == "number":
        changes += _limits(frozen, found, typed.values)
    elif frozen.kind == "category":
        changes += _levels(frozen, typed.values)
    return changes


def _limits(frozen: ColumnSpec, found: ColumnSpec, values: pd.Series) -> list[Change]:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return []
    low, high = float(numbers.min()), float(numbers.max())
    keys: dict[str, Any] = {}
    if frozen.minimum is not None and low < frozen.minimum:
        keys["min"] = low if found.minimum is None else found.minimum
    if frozen.maximum is not None and high > frozen.maximum:
        keys["max"] = high if found.maximum is None else found.maximum
    if not keys:
        return []
    limits = ["any" if v is None else exact(v) for v in (frozen.minimum, frozen.maximum)]
    entry = column_entry(
        ColumnSpec("", "number", "float64", minimum=keys.get("min"), maximum=keys.get("max"))
    )
    keys = {key: entry[key] for key in keys}
    return [
        Change(frozen.name, "limits", " to ".join(limits), f"{exact(low)} to {exact(high)}", keys)
    ]


def _levels(frozen: ColumnSpec, values: pd.Series) -> list[Change]:
    found = values.dropna().unique().tolist()
    if frozen.dtype == "int64":
        found = [int(level) for level in found]
    known = list(frozen.levels or ())
    new, unseen = sorted(set(found) - set(known)), [v for v in known if v not in set(found)]
    changes = []
    if new:
        keys = {"levels": [*known, *new]}
        shown = listing([repr(level) for level in new], 5)
        changes.append(Change(frozen.name, "levels", f"{len(known)} levels", f"new: {shown}", keys))
    if unseen and frozen.dtype != "bool":
        shown = listing([repr(level) for level in unseen], 5)
        changes.append(Change(frozen.name, "unseen", shown, "in no row"))
    return changes


def merge(path: Path, changes: Sequence[Change]) -> None:
    """Write accepted changes into the schema file; all else stays as the user has it.

    Raises:
        ParamsError: the file would contradict itself; it is left unchanged.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    text = path.read_text(encoding="utf-8")
    item = re.search(r"^( *)- ", text, re.MULTILINE)
    if item and item[1]:  # the user indents lists
        yaml.indent(sequence=len(item[1]) + 2, offset=len(item[1]))
    document = yaml.load(text)
    columns = document["columns"]
    for change in changes:
        if change.what == "vanished":
            del columns[change.column]
        elif change.what == "added":
            columns[change.column] = _flow(change.keys or {})
        else:
            _set(document["image"] if change.what == "shape" else columns[change.column], change)
    stream = io.StringIO()
    yaml.dump(document, stream)
    parse_schema(stream.getvalue(), path)
    write_text(path, stream.getvalue())


def _set(entry: Any, change: Change) -> None:
    keys = change.keys or {}
    if change.what == "type":  # what belonged to the old type no longer applies
        for key in ("min", "max", "levels", "pattern"):
            if key not in keys:
                entry.pop(key, None)
    for key, value in keys.items():
        if key == "levels" and key in entry:
            new = [level for level in value if level not in entry[key]]
            entry[key].extend(new)
        else:
            entry[key] = value


def _flow(keys: dict[str, Any]) -> Any:
    from ruamel.yaml.comments import CommentedMap

    entry = CommentedMap(keys)
    entry.fa.set_flow_style()
    return entry
