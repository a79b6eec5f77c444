"""The rows a model was trained on, by the hashes of their content: they cannot test it.

A version carries the record in `seen_rows.safetensors`: sorted hashes, and the columns that they
are of. It holds train and valid rows, since the valid rows decide when training stops. Above a
million rows only the upper half of each hash is kept: 4 bytes a row; with a record of 100 million
rows one new row in forty is then excluded needlessly.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from layerline.artifacts import Workspace, read_manifest
from layerline.columns.spec import ColumnSpec
from layerline.errors import SourceError
from layerline.scaling.splitting import hash_images, hash_rows
from layerline.tables.targets import target_names

SEEN = "seen_rows.safetensors"
WHOLE_HASHES = 1_000_000
_TRAINED_ON = ("train", "valid")
_COLUMNS, _ROWS = "columns", "rows"


class Seen(NamedTuple):
    """Sorted hashes (N,) uint64, or uint32 for their upper halves, of these columns' values."""

    rows: NDArray[np.unsignedinteger]
    columns: tuple[str, ...]  # none for images


def seen_by_training(workspace: Workspace) -> Seen:
    """The rows of data/scaled that training uses.

    Raises:
        SourceError: an artifact is missing or damaged.
    """
    about = read_manifest(workspace.validated)
    arrays = [np.load(workspace.scaled / f"{name}_id.npy") for name in _TRAINED_ON]
    specs = (ColumnSpec.from_dict(column) for column in about["columns"])
    columns = tuple(c.name for c in specs if c.use and c.name not in target_names(about))
    return Seen(shortened(np.concatenate(arrays)), () if about["kind"] == "images" else columns)


def shortened(hashes: NDArray[np.uint64], whole: int = WHOLE_HASHES) -> NDArray[np.unsignedinteger]:
    """Each hash once, in order; upper halves where there are more than `whole`."""
    kept = np.unique(hashes)
    return kept if len(kept) <= whole else np.unique(_upper(kept))


def _upper(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    return (hashes >> np.uint64(32)).astype(np.uint32)


def write_seen(bundle: Path, seen: Seen) -> None:
    """Write the record into a bundle."""
    metadata = {_COLUMNS: json.dumps(list(seen.columns), ensure_ascii=False)}
    save_file({_ROWS: seen.rows}, bundle / SEEN, metadata=metadata)
    (bundle / SEEN).chmod(0o644)  # a tracking server reads it, too


def read_seen(path: Path) -> Seen | None:
    """Read the record; None where there is none, as in versions of earlier releases.

    Raises:
        SourceError: it is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            columns = json.loads((file.metadata() or {})[_COLUMNS])
            return Seen(file.get_tensor(_ROWS), tuple(columns))
    except (SafetensorError, KeyError, ValueError) as error:
        raise SourceError(f"{path}: damaged ({error}); nothing was compared") from None


def is_seen(rows: pd.DataFrame | NDArray[Any], seen: Seen | None) -> NDArray[np.bool_] | None:
    """(B,) which of the rows the model was trained on; None where that is unknown.

    It is unknown without a record, or when a column that was hashed is missing.
    """
    if seen is None:
        return None
    if isinstance(rows, np.ndarray):
        hashes = None if seen.columns else hash_images(rows)
    else:
        is_there = bool(seen.columns) and set(seen.columns) <= set(rows.columns)
        hashes = hash_rows(rows[list(seen.columns)]) if is_there else None
    if hashes is None:
        return None
    return holds(seen, hashes)


def holds(seen: Seen, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(B,) which of the hashes are in the record."""
    known = hashes if seen.rows.dtype == np.uint64 else _upper(hashes)
    return np.asarray(np.isin(known, seen.rows))
