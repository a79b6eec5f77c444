"""Rules that the table as a whole breaks: its columns, its classes, its images.

To add one: a function here that returns a list of Broken, and a line in RULES.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from layerline.columns.spec import Level
from layerline.text import closest, listing
from layerline.validation.duplicates import Conflicts
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.violation_messages import rows_text
from layerline.validation.violations import Broken

FEWEST_ROWS = 3  # one each to learn from, to choose by and to judge by


def column_rules(found: Sequence[str], schema: TableSchema, schema_file: str) -> list[Broken]:
    """Columns that vanished or were added, with the likely new name."""
    absent = [name for name in schema.names if name not in found]
    extra = [name for name in found if name not in schema.names]
    broken = []
    for name in absent:
        near = closest(name, extra)
        hint = (
            f"was it renamed to {near!r}? Bring"
            if near
            else f"the table has {listing(found)}; bring"
        )
        message = f"column {name!r} is missing; {hint} it back, or change {schema_file}"
        broken.append(Broken("column_missing", message, name))
    severity = schema.severity("column_unexpected")
    for name in extra:
        near = closest(name, absent)
        hint = f"is it {near!r}, renamed? " if near else ""
        message = (
            f"column {name!r} is not in {schema_file}; {hint}drop it at the source, "
            "or add it there (with use: false it is not learnt from)"
        )
        broken.append(Broken("column_unexpected", message, name, severity))
    return broken


def class_rules(counts: Mapping[Level, int], schema: TableSchema, minimum: int) -> list[Broken]:
    """Classes with too few rows, also those that vanished; classes far rarer than others."""
    broken = []
    for level in schema.classes or ():
        n_rows = counts.get(level, 0)
        if n_rows < minimum:
            message = (
                f"class {level!r} of target {schema.target!r} has {n_rows} row"
                f"{'' if n_rows == 1 else 's'}, fewer than validate.min_class_rows ({minimum}); "
                "add rows, merge it with another class, or drop it from data and schema"
            )
            severity = schema.severity("class_rows")
            broken.append(Broken("class_rows", message, schema.target, severity, values=(level,)))
    return broken + _balance(counts, schema)


def _balance(counts: Mapping[Level, int], schema: TableSchema) -> list[Broken]:
    severity, limit = schema.setting("class_balance")
    if severity == "off" or limit is None or not any(counts.values()):
        return []
    rarest = min(counts, key=lambda level: counts[level])
    commonest = max(counts, key=lambda level: counts[level])
    if counts[commonest] <= limit * counts[rarest]:
        return []
    message = (
        f"class {commonest!r} of target {schema.target!r} has {counts[commonest]:,} rows, "
        f"{rarest!r} only {counts[rarest]:,}, more than {limit:g} to 1; accuracy means little: "
        "look at log_loss and f1_macro, or set train.sampling: balanced"
    )
    return [Broken("class_balance", message, schema.target, severity, values=(rarest,))]


def row_rules(n_rows: int, conflicts: Conflicts, schema: TableSchema) -> list[Broken]:
    """Too few rows to learn from; too many that contradict each other."""
    broken = []
    if n_rows < FEWEST_ROWS:
        message = (
            f"there {'is' if n_rows == 1 else 'are'} {n_rows} good row{'' if n_rows == 1 else 's'}"
            f", but at least {FEWEST_ROWS} are needed to learn, choose and judge; add rows"
        )
        broken.append(Broken("too_few_rows", message))
    severity, limit = schema.setting("conflicting_rows")
    share = conflicts.n_rows / max(n_rows, 1)
    if severity != "off" and share > (limit or 0.0):
        message = (
            f"the table has {conflicts.n_rows} rows ({share:.1%}) that equal another in every "
            f"feature but not in {schema.target!r} ({rows_text(conflicts.first, conflicts.n_rows)})"
            "; no network can distinguish them: right for repeated observations (write "
            "conflicting_rows: off under rules), else a feature is missing or labels are wrong"
        )
        broken.append(
            Broken(
                "conflicting_rows",
                message,
                severity=severity,
                n_rows=conflicts.n_rows,
                first=conflicts.first,
            )
        )
    return broken


def image_rules(
    images: NDArray[np.uint8] | None, n_labels: int, schema: TableSchema
) -> list[Broken]:
    """Images of another shape or type than the schema's, or not one for each label."""
    if schema.image_shape is None and images is None:
        return []
    if schema.image_shape is None or images is None:
        found, meant = ("a table", "images") if images is None else ("images", "a table")
        return [Broken("kind", f"the data are {found}, but the schema describes {meant}")]
    broken = []
    if images.shape[1:] != schema.image_shape or images.dtype != np.uint8:
        message = (
            f"images are {images.shape[1:]} {images.dtype}, but must be {schema.image_shape} uint8"
        )
        broken.append(Broken("image_shape", message))
    if len(images) != n_labels:
        message = f"there are {len(images)} images but {n_labels} labels"
        broken.append(Broken("image_labels", message))
    return broken
