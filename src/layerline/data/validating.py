"""The validate stage's work: enforce the frozen schema, seal data/validated, write the reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.artifacts import Workspace, read_manifest, replace_folder, sha256_of, write_json
from layerline.config import ValidateSection
from layerline.data.schema.columns import TableSchema
from layerline.data.schema.files import read_schema
from layerline.data.schema.inferring import infer_schema
from layerline.data.tables import (
    LABELS,
    QUARANTINE,
    TABLE,
    read_images,
    read_table,
    write_images,
    write_table,
)
from layerline.data.validation.checking import BrokenRulesError, Places, ValidationResult, validate
from layerline.data.validation.profiling import profile
from layerline.errors import DataError


def validate_raw(
    workspace: Workspace, section: ValidateSection, schema_path: Path
) -> dict[str, Any]:
    """Write data/validated and the reports; return the manifest's facts.

    reports/validation.json is written also when rules are broken: it is what says which.

    Raises:
        DataError: the data break the schema, or the schema is of another target or task.
        ParamsError: there is no schema, or it is wrong.
        SourceError: data/raw is missing or damaged.
    """
    raw = read_manifest(workspace.raw)
    schema = read_schema(workspace.root / schema_path)
    _require_agreement(raw, schema, schema_path)
    frame = read_table(workspace.raw)
    images = read_images(workspace.raw) if raw["kind"] == "images" else None
    file = TABLE if images is None else LABELS
    report_path = workspace.reports / "validation.json"
    try:
        result = validate(
            frame,
            schema,
            section,
            images=images,
            places=Places(f"data/raw/{file}", schema_path.as_posix()),
        )
    except BrokenRulesError as error:
        write_json(report_path, error.report)
        raise
    about = {
        **{key: raw[key] for key in ("kind", "source", "target", "task", "split_column", "origin")},
        "raw_sha256": {name: file["sha256"] for name, file in raw["files"].items()},
        "n_rows": len(result.frame),
        "n_quarantined": len(result.quarantine),
        "schema_sha256": sha256_of(workspace.root / schema_path),
        "columns": [column.to_dict() for column in schema.columns],
        "classes": None if schema.classes is None else list(schema.classes),
    }
    with replace_folder(workspace.validated, about) as folder:
        _write_rows(folder, result, images)
    write_json(workspace.reports / "profile.json", profile(result.frame))
    write_json(report_path, result.report)
    return about


def _write_rows(folder: Path, result: ValidationResult, images: NDArray[np.uint8] | None) -> None:
    if images is None:
        write_table(folder / TABLE, result.frame)
    else:
        write_images(folder, images[result.kept], result.frame)
    write_table(folder / QUARANTINE, result.quarantine)


def _require_agreement(raw: Mapping[str, Any], schema: TableSchema, path: Path) -> None:
    """Refuse data fetched for another target or task than the schema froze."""
    if raw["target"] != schema.target:
        raise DataError(
            f"{path}: the schema's target is {schema.target!r}, fetch.target is {raw['target']!r}; "
            "set one to the other, or infer the schema anew: `layerline schema --force`"
        )
    if raw["task"] != schema.task:
        raise DataError(
            f"{path}: the schema's task is {schema.task}, the data were fetched as {raw['task']}; "
            f"set fetch.task: {schema.task} if the target means what it meant, "
            "or infer the schema anew: `layerline schema --force`"
        )


def infer_from_raw(workspace: Workspace) -> TableSchema:
    """A first schema for what lies in data/raw.

    Raises:
        SourceError: data/raw is missing or damaged.
    """
    raw = read_manifest(workspace.raw)
    shape = None
    if raw["kind"] == "images":
        shape = tuple(read_images(workspace.raw).shape[1:])
    rows = read_table(workspace.raw)
    return infer_schema(rows, raw["target"], raw["task"], raw["split_column"], shape)
