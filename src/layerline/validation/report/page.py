"""reports/validation.html from what validation found; equal evidence gives equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.rendering.templates import render_page
from layerline.text import listing
from layerline.validation.report.column_cards import column_card, column_table
from layerline.validation.report.image_samples import strip
from layerline.validation.report.labels import counted, share
from layerline.validation.schema.definitions import TableSchema

MAX_CARDS = 150  # further columns become rows of a table
MAX_UNFOLDED = 2  # more messages of one rule are folded
MAX_CHARACTERS = 60  # of a value in the table of bad rows
MAX_COLUMNS = 12  # of that table


@dataclass(frozen=True)
class Evidence:
    """What the page shows."""

    report: Mapping[str, Any]  # as reports/validation.json
    profile: Mapping[str, Any]  # as reports/profile.json
    schema: TableSchema
    aside: pd.DataFrame  # some of the bad rows, the reason in the last column
    pictures: Mapping[str, tuple[int, NDArray[np.uint8]]] = field(default_factory=dict)


def validation_page(evidence: Evidence) -> str:
    """The page as HTML."""
    report, columns = evidence.report, _ordered_columns(evidence)
    notes = _notes_by_column(report)
    return render_page(
        "validation.html",
        title=f"Validation of {report['target']!r}: {'passed' if report['passed'] else 'failed'}",
        target=report["target"],
        task=report["task"],
        banner=_banner(report),
        tiles=_tiles(evidence),
        notes=[
            ("Broken rules", "error", _groups(report["broken"])),
            ("Warnings", "warning", _groups(report["warnings"])),
        ],
        pictures=[
            {"name": name, "count": counted(n_rows, "image"), "url": strip(images)}
            for name, (n_rows, images) in evidence.pictures.items()
        ],
        has_search=len(columns) > 8,
        cards=[
            column_card(name, profile, evidence.schema, notes.get(name, ()))
            for name, profile in columns[:MAX_CARDS]
        ],
        more_columns=column_table(columns[MAX_CARDS:]),
        bad_rows=_bad_rows(evidence),
    )


def _banner(report: Mapping[str, Any]) -> dict[str, str]:
    n_bad, n_warnings = report["n_bad_rows"], len(report["warnings"])
    if not report["accepted"]:
        broken = counted(len(report["broken"]), "rule")
        text = f"Failed: {broken} broken. Earlier results are unchanged."
        return {"severity": "error", "text": text}
    if n_bad:
        rows = counted(n_bad, "row")
        return {"severity": "warning", "text": f"Passed; {rows} moved to the quarantine."}
    if n_warnings:
        return {"severity": "warning", "text": f"Passed, {counted(n_warnings, 'warning')}."}
    return {"severity": "good", "text": "Passed: every row conforms to the schema."}


def _tiles(evidence: Evidence) -> list[tuple[str, str]]:
    report, columns = evidence.report, evidence.profile["columns"].values()
    n_cells = sum(profile["count"] + profile["missing"] for profile in columns)
    n_missing = sum(profile["missing"] for profile in columns)
    return [
        ("rows", f"{report['n_rows']:,}"),
        ("bad rows", f"{report['n_bad_rows']:,}"),
        ("columns", f"{report['n_columns']:,}"),
        ("features used", f"{len(evidence.schema.features):,}"),
        ("cells missing", share(n_missing, n_cells)),
        ("warnings", f"{len(report['warnings']):,}"),
    ]


def _groups(notes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages by rule; of many messages a summary names the columns."""
    by_rule: dict[str, list[Mapping[str, Any]]] = {}
    for note in notes:
        by_rule.setdefault(note["rule"], []).append(note)
    groups = []
    for rule, found in by_rule.items():
        names = listing([str(note["column"]) for note in found], 8)
        summary = f"{len(found):,} columns: {names}" if len(found) > MAX_UNFOLDED else ""
        messages = [note["message"] for note in found]
        groups.append({"rule": rule, "summary": summary, "messages": messages})
    return groups


def _notes_by_column(
    report: Mapping[str, Any],
) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    notes: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for severity, key in (("error", "broken"), ("warning", "warnings")):
        for note in report[key]:
            if note["column"] is not None:
                notes.setdefault(note["column"], []).append((severity, note))
    return notes


def _ordered_columns(evidence: Evidence) -> list[tuple[str, Mapping[str, Any]]]:
    """The target first, then the columns with notes, then the others as in the schema."""
    targets, notes = evidence.schema.targets, _notes_by_column(evidence.report)
    columns = list(evidence.profile["columns"].items())
    return sorted(columns, key=lambda item: (item[0] not in targets, item[0] not in notes))


def _bad_rows(evidence: Evidence) -> dict[str, Any] | None:
    if not len(evidence.aside):
        return None
    frame = evidence.aside.astype(object)
    reason, others = frame.columns[-1], list(frame.columns[:-1])[:MAX_COLUMNS]
    n_bad, n_more = evidence.report["n_bad_rows"], len(frame.columns) - 1 - len(others)
    shown = f"{len(frame):,} of {n_bad:,} rows" if n_bad > len(frame) else counted(n_bad, "row")
    omitted = f"; {counted(n_more, 'more column')} not shown" if n_more else ""
    return {
        "title": "Quarantine" if evidence.report["accepted"] else "Bad rows",
        "text": f"{shown}{omitted}.",
        "header": ["reason", *map(str, others)],
        "rows": [
            [str(row[reason]), *(_short(row[name]) for name in others)]
            for _, row in frame.iterrows()
        ],
    }


def _short(value: Any) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
