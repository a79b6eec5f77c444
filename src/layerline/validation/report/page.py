"""reports/validation.html from what validation found; the same evidence gives the same bytes.

Every name and value from the data is escaped: a column may be called `<script>`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.text import listing
from layerline.validation.report.column_cards import card, compact_table
from layerline.validation.report.image_samples import strip
from layerline.validation.report.style import SCRIPT, STYLE
from layerline.validation.report.svg import share
from layerline.validation.schema.definitions import TableSchema

MAX_CARDS = 150  # further columns become lines of a table
MANY = 2  # warnings of one rule that are not folded
CELL = 60  # characters of a value in the quarantine's table


@dataclass(frozen=True)
class Evidence:
    """What the page tells of."""

    report: Mapping[str, Any]  # as reports/validation.json
    profile: Mapping[str, Any]  # as reports/profile.json
    schema: TableSchema
    aside: pd.DataFrame  # a few of the rows set aside, the reason last
    pictures: Mapping[str, tuple[int, NDArray[np.uint8]]] = field(default_factory=dict)


def validation_page(evidence: Evidence) -> str:
    """The page as HTML."""
    report = evidence.report
    title = f"Validation of {report['target']!r}: {'passed' if report['passed'] else 'failed'}"
    parts = [
        f"<h1>Validation</h1><p class=soft>target <b>{escape(report['target'])}</b> · "
        f"{escape(report['task'])}</p>",
        _banner(report),
        _tiles(evidence),
        _notes("Broken rules", "error", report["broken"]),
        _notes("Warnings", "warning", report["warnings"]),
        _pictures(evidence),
        _columns(evidence),
        _quarantine(evidence),
    ]
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>\n<main>\n"
        + "\n".join(filter(None, parts))
        + f"\n</main><script>{SCRIPT}</script></html>\n"
    )


def _banner(report: Mapping[str, Any]) -> str:
    n_bad, n_warnings = report["n_bad_rows"], len(report["warnings"])
    allowed = report["accepted"]
    if not allowed:
        said = f"Failed: {_counted(len(report['broken']), 'rule')} broken"
        return f'<p class="banner error">{said}. Earlier results are as they were.</p>'
    if n_bad:
        said = f"Passed after {_counted(n_bad, 'row')} went into quarantine"
        return f'<p class="banner warning">{said}.</p>'
    if n_warnings:
        return f'<p class="banner warning">Passed, {_counted(n_warnings, "warning")}.</p>'
    return '<p class="banner good">Passed: every row keeps the schema.</p>'


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _tiles(evidence: Evidence) -> str:
    report, columns = evidence.report, evidence.profile["columns"].values()
    cells = sum(about["count"] + about["missing"] for about in columns)
    missing = sum(about["missing"] for about in columns)
    tiles = [
        ("rows", f"{report['n_rows']:,}"),
        ("bad rows", f"{report['n_bad_rows']:,}"),
        ("columns", f"{report['n_columns']:,}"),
        ("features in use", f"{len(evidence.schema.features):,}"),
        ("cells missing", share(missing, cells)),
        ("warnings", f"{len(report['warnings']):,}"),
    ]
    inner = "".join(f"<div class=tile><b>{v}</b><span>{name}</span></div>" for name, v in tiles)
    return f'<section class="tiles">{inner}</section>'


def _notes(title: str, severity: str, notes: Sequence[Mapping[str, Any]]) -> str:
    if not notes:
        return ""
    by_rule: dict[str, list[Mapping[str, Any]]] = {}
    for note in notes:
        by_rule.setdefault(note["rule"], []).append(note)
    said = []
    for rule, group in by_rule.items():
        mark = f'<span class="mark {severity}">{escape(rule.replace("_", " "))}</span>'
        lines = [f"<p>{escape(note['message'])}</p>" for note in group]
        if len(group) > MANY:
            names = escape(listing([str(note["column"]) for note in group], 8))
            summary = f"<summary>{mark}{len(group):,} columns: {names}</summary>"
            said.append(f'<details class="note {severity}">{summary}{"".join(lines)}</details>')
        else:
            said += [
                f'<div class="note {severity}">{mark}{escape(n["message"])}</div>' for n in group
            ]
    return f"<h2>{title}</h2>{''.join(said)}"


def _pictures(evidence: Evidence) -> str:
    if not evidence.pictures:
        return ""
    rows = "".join(
        f"<div class=class><b>{escape(name)}</b><span>{_counted(n_rows, 'image')}</span>"
        f'<img alt="images of {escape(name, quote=True)}" src="{strip(images)}"></div>'
        for name, (n_rows, images) in evidence.pictures.items()
    )
    return f"<h2>Images</h2>{rows}"


def _columns(evidence: Evidence) -> str:
    notes: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for severity, key in (("error", "broken"), ("warning", "warnings")):
        for note in evidence.report[key]:
            if note["column"] is not None:
                notes.setdefault(note["column"], []).append((severity, note))
    columns = list(evidence.profile["columns"].items())
    target = evidence.schema.target
    # The target first, then what deserves a look, then the rest as the schema has it.
    columns.sort(key=lambda item: (item[0] != target, item[0] not in notes))
    cards = "".join(
        card(name, about, evidence.schema, notes.get(name, []))
        for name, about in columns[:MAX_CARDS]
    )
    search = '<input type="search" placeholder="find a column" aria-label="find a column">'
    rest = columns[MAX_CARDS:]
    more = f"<h2>{len(rest):,} more columns</h2>{compact_table(rest)}" if rest else ""
    head = f"<div class=title><h2>Columns</h2>{search if len(columns) > 8 else ''}</div>"
    said = "<p class=soft>Of the rows that passed. Dashed lines are the quartiles.</p><br>"
    return f'{head}{said}<section class="cards">{cards}</section>{more}'


def _quarantine(evidence: Evidence) -> str:
    if not len(evidence.aside):
        return ""
    frame = evidence.aside.astype(object)
    reason, others = frame.columns[-1], list(frame.columns[:-1])[:12]
    heads = "".join(f"<th>{escape(str(name))}</th>" for name in ("why", *others))
    rows = "".join(
        f"<tr><td class=reason>{escape(str(row[reason]))}</td>"
        + "".join(f"<td>{escape(_short(row[name]))}</td>" for name in others)
        + "</tr>"
        for _, row in frame.iterrows()
    )
    n_bad = evidence.report["n_bad_rows"]
    title = "Quarantine" if evidence.report["accepted"] else "Bad rows"
    shown = f"{len(frame):,} of {n_bad:,} rows" if n_bad > len(frame) else _counted(n_bad, "row")
    left = len(frame.columns) - 1 - len(others)
    columns = f", {left:,} further columns are left out" if left else ""
    return (
        f"<h2>{title}</h2><p class=soft>{shown}{columns}.</p><br>"
        f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'
    )


def _short(value: Any) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= CELL else f"{text[:CELL]}…"
