"""The validate stage's work: enforce the frozen schema, seal data/validated, write the reports.

Large tables go through batch by batch: `check` reads them once and finds what is broken, the second
reading writes what passed and profiles it.
"""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from layerline.artifacts import (
    Workspace,
    read_manifest,
    replace_folder,
    sha256_of,
    write_json,
    write_text,
)
from layerline.columns.written import Written
from layerline.config import ValidateSection
from layerline.errors import DataError
from layerline.tables.storage import (
    LABELS,
    QUARANTINE,
    TABLE,
    TableWriter,
    read_images,
    write_images,
    write_table,
)
from layerline.validation.checks import Places, Verdict, check
from layerline.validation.profile import profile
from layerline.validation.quarantine import (
    Sieve,
    arrow_schema,
    is_as_it_came,
    passed,
    reason_column,
    with_reasons,
)
from layerline.validation.refusal import BrokenRulesError, refuse, report_of
from layerline.validation.report.image_samples import MAX_CLASSES, SHOWN
from layerline.validation.report.page import Evidence, validation_page
from layerline.validation.row_batches import FrameRows, ParquetRows, open_rows
from layerline.validation.row_weights import weigh
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.schema_file import read_schema
from layerline.validation.streaming_profile import Profiler

REPORT, PAGE, PROFILE = "validation.json", "validation.html", "profile.json"
FAILED_PAGE = "validation-failed.html"  # no output of DVC's: a failed stage's outputs are put back
_FROM_RAW = (
    "kind",
    "source",
    "target",
    "task",
    "split_column",
    "origin",
    "weights",
    "target_names",
)
SHOWN_ASIDE = 50  # rows in quarantine that the page shows


def validate_raw(
    workspace: Workspace, section: ValidateSection, schema_path: Path
) -> dict[str, Any]:
    """Write data/validated and the reports; return the manifest's facts, and the warnings.

    The reports are written also when rules are broken: they name them.

    Raises:
        DataError: the data break the schema, or the schema is of another target or task.
        ParamsError: the schema is missing or wrong.
        SourceError: data/raw is missing or damaged.
    """
    raw = read_manifest(workspace.raw)
    schema = _read_schema(workspace.root / schema_path, raw, schema_path)
    images = read_images(workspace.raw) if raw["kind"] == "images" else None
    file = TABLE if images is None else LABELS
    rows = open_rows(workspace.raw, file)
    places = Places(f"data/raw/{file}", schema_path.as_posix())
    verdict = check(rows, schema, section, images=images, places=places)
    report = report_of(verdict, rows, section, schema)
    aside = _some_aside(rows, verdict)
    try:
        refuse(verdict, section, report, places.data)
    except BrokenRulesError as error:
        evidence = Evidence(report, profile(verdict.sample.frame, schema.categories), schema, aside)
        write_json(workspace.reports / REPORT, report)
        write_text(workspace.reports / FAILED_PAGE, validation_page(evidence))
        raise BrokenRulesError(f"{error}\nall of it: reports/{FAILED_PAGE}", report) from None
    noted = _unwritten(raw, schema, schema_path)
    about = {
        **{key: raw[key] for key in _FROM_RAW if key in raw},
        "raw_sha256": {name: file["sha256"] for name, file in raw["files"].items()},
        "n_rows": int((~verdict.bad).sum()),
        "n_quarantined": int(verdict.bad.sum()),
        "schema_sha256": sha256_of(workspace.root / schema_path),
        "columns": [schema.bound(column).to_dict() for column in schema.columns],
        "classes": None if schema.classes is None else list(schema.classes),
    }
    described = _replace(workspace.validated, about, rows, schema, verdict, images)
    write_json(workspace.reports / PROFILE, described)
    write_json(workspace.reports / REPORT, report)
    shown = {} if images is None else _pictures(images, rows, schema, verdict)
    page = validation_page(Evidence(report, described, schema, aside, shown))
    write_text(workspace.reports / PAGE, page)
    (workspace.reports / FAILED_PAGE).unlink(missing_ok=True)
    return {**about, "warnings": [*report["warnings"], *noted]}


def _unwritten(raw: Mapping[str, Any], schema: TableSchema, path: Path) -> list[dict[str, Any]]:
    """Columns whose text fetch read in a form that the schema, and so the model, does not have."""
    specs = {column.name: column for column in schema.columns}
    return [
        {
            "rule": "written",
            "column": name,
            "message": f"column {name!r} was read as {Written.from_dict(form).describe()}, which "
            f"{path} does not have: the model would refuse it; run `layerline schema --update`",
        }
        for name, form in raw.get("written", {}).items()
        if name in specs
        and specs[name].kind in ("number", "date")
        and specs[name].written != Written.from_dict(form)
    ]


def _replace(
    path: Path,
    about: Mapping[str, Any],
    rows: FrameRows | ParquetRows,
    schema: TableSchema,
    verdict: Verdict,
    images: NDArray[np.uint8] | None,
) -> dict[str, Any]:
    """Write the folder data/validated; return the profile of what passed."""
    is_copied = isinstance(rows, ParquetRows) and is_as_it_came(rows, schema, verdict)
    known = {TABLE: about["raw_sha256"][TABLE]} if is_copied else {}
    with replace_folder(path, about, known) as folder:
        if isinstance(rows, FrameRows):
            return _write(folder, rows.frame, schema, verdict, images)
        return _write_stream(folder, rows, schema, verdict, is_copied)


def _write(
    folder: Path,
    frame: pd.DataFrame,
    schema: TableSchema,
    verdict: Verdict,
    images: NDArray[np.uint8] | None,
) -> dict[str, Any]:
    """Write what passed and what was set aside; return the profile of what passed."""
    clean = passed(frame, verdict.bad, schema, verdict.with_gaps)
    if images is None:
        write_table(folder / TABLE, clean)
    else:
        write_images(folder, images[~verdict.bad], clean)
    write_table(folder / QUARANTINE, with_reasons(frame[verdict.bad], 0, verdict))
    return profile(clean, schema.categories)


def _write_stream(
    folder: Path, rows: ParquetRows, schema: TableSchema, verdict: Verdict, is_copied: bool
) -> dict[str, Any]:
    """The same, batch by batch; with `is_copied`, what passed is copied from data/raw."""
    profiler = Profiler(verdict.sample.frame, schema.categories)
    sieve = Sieve(schema, verdict.with_gaps, profiler.looks, only_looks=is_copied)
    with contextlib.ExitStack() as stack:
        good = None
        if is_copied:
            shutil.copyfile(rows.path, folder / TABLE)
        else:
            types = arrow_schema(schema, verdict.with_gaps)
            good = stack.enter_context(TableWriter(folder / TABLE, types))
        bad = stack.enter_context(TableWriter(folder / QUARANTINE, _raw_schema(rows)))
        for start, sifted in rows.map(sieve, verdict.bad):
            profiler.merge(sifted.n_good, sifted.summaries)
            if good is not None:
                good.write(sifted.clean)
            aside = with_reasons(sifted.bad, start, verdict)
            bad.write(pa.Table.from_pandas(aside, schema=bad.schema, preserve_index=False))
    return profiler.result()


def _raw_schema(rows: ParquetRows) -> pa.Schema:
    """The raw columns as they came, and the reason."""
    reason = reason_column(rows.names)
    return rows.schema.append(pa.field(reason, pa.large_string())).remove_metadata()


def _some_aside(rows: FrameRows | ParquetRows, verdict: Verdict) -> pd.DataFrame:
    """The first bad rows, for people to look at."""
    parts, left = [], min(SHOWN_ASIDE, int(verdict.bad.sum()))
    for start, frame in rows if left else ():
        bad = np.flatnonzero(verdict.bad[start : start + len(frame)])[:left]
        parts.append(with_reasons(frame.iloc[bad], start, verdict))
        left -= len(bad)
        if not left:
            break
    return pd.concat(parts) if parts else pd.DataFrame()


def _pictures(
    images: NDArray[np.uint8], rows: FrameRows | ParquetRows, schema: TableSchema, verdict: Verdict
) -> dict[str, tuple[int, NDArray[np.uint8]]]:
    """The first good images of each class; of numbers, the first of all."""
    labels = np.concatenate([frame[schema.target].to_numpy() for _, frame in rows])
    named = [(str(level), labels == level) for level in schema.classes or ()]
    found = {}
    for name, of_class in (named or [("all", np.ones(len(labels), dtype=bool))])[:MAX_CLASSES]:
        good = np.flatnonzero(of_class & ~verdict.bad)
        if len(good):
            found[name] = (len(good), np.asarray(images[good[:SHOWN]]))
    return found


def _read_schema(file: Path, raw: Mapping[str, Any], path: Path) -> TableSchema:
    """The schema of the project, for the data that were fetched."""
    schema = read_schema(file)
    _require_agreement(raw, schema, path)
    return weigh(schema, raw["weights"], path) if "weights" in raw else schema


def _require_agreement(raw: Mapping[str, Any], schema: TableSchema, path: Path) -> None:
    """Refuse data fetched for another target or task than the schema froze."""
    if raw["target"] != schema.target:
        raise DataError(
            f"{path}: the schema's target is {schema.target!r}, fetch.target is {raw['target']!r}; "
            "set one to the other, or infer the schema again: `layerline schema --force`"
        )
    if raw["task"] != schema.task:
        raise DataError(
            f"{path}: the schema's task is {schema.task}, the data were fetched as {raw['task']}; "
            f"set fetch.task: {schema.task} if the meaning of the target is unchanged, "
            "or infer the schema again: `layerline schema --force`"
        )
