"""One card for each column: what it is, what it holds, what is wrong with it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from layerline.columns.spec import ColumnSpec
from layerline.validation.report.svg import bars, histogram, number, share
from layerline.validation.schema.definitions import TableSchema

SHOWN_LEVELS = 8
Notes = Sequence[tuple[str, Mapping[str, Any]]]  # (severity, what broke)


def card(name: str, about: Mapping[str, Any], schema: TableSchema, notes: Notes) -> str:
    """A column's card."""
    spec = next((c for c in schema.columns if c.name == name), None)
    worst = "error" if any(severity == "error" for severity, _ in notes) else "warning"
    marks = "".join(_mark(severity, note["rule"]) for severity, note in notes)
    return (
        f'<article class="card{f" has-{worst}" if notes else ""}" '
        f'data-name="{escape(name.casefold(), quote=True)}">'
        f"<header><h3>{escape(name) or '<i>no name</i>'}</h3>{_role(spec, schema)}</header>"
        f'<p class="facts">{escape(_facts(spec, about))}</p>'
        f"{plot(about)}{_missing(about)}{_figures(about)}"
        f"{f'<p class=marks-said>{marks}</p>' if marks else ''}</article>"
    )


def _mark(severity: str, rule: str) -> str:
    return f'<span class="mark {severity}">{escape(rule.replace("_", " "))}</span>'


def _role(spec: ColumnSpec | None, schema: TableSchema) -> str:
    if spec is None:
        return '<span class="role">not in the schema</span>'
    if spec.name == schema.target:
        return '<span class="role target">target</span>'
    return "" if spec.use else '<span class="role">not used</span>'


def _facts(spec: ColumnSpec | None, about: Mapping[str, Any]) -> str:
    estimated = "about " if about.get("distinct_is_estimated") else ""
    kind = spec.kind if spec else about["dtype"]
    return f"{kind} · {spec.dtype if spec else ''} · {estimated}{about['distinct']:,} distinct"


def plot(about: Mapping[str, Any]) -> str:
    """The column's histogram, or its commonest levels."""
    if about.get("levels"):
        return bars(levels(about), about["count"])
    if "histogram" in about and about["min"] == about["max"]:
        return f'<p class="nothing">always {escape(_cell(about, "min"))}</p>'
    if "histogram" in about:
        edges = about["histogram"]["edges"]
        low, high = (e[:10] if isinstance(e, str) else number(e) for e in (edges[0], edges[-1]))
        return histogram(about["histogram"]["counts"], low, high, _quartiles(about))
    return '<p class="nothing">no values</p>'


def levels(about: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The commonest levels, the rest together."""
    found = [(str(level), count) for level, count in about["levels"]]
    rest = sum(count for _, count in found[SHOWN_LEVELS:]) + about.get("other", 0)
    more = about["distinct"] - SHOWN_LEVELS
    return found[:SHOWN_LEVELS] + ([(f"… {more:,} more", rest)] if rest else [])


def _quartiles(about: Mapping[str, Any]) -> list[float]:
    low, high = about.get("min"), about.get("max")
    if not isinstance(low, float) or not isinstance(high, float) or not 0 < high - low < 1e300:
        return []
    quantiles = about.get("quantiles", {})
    return [(quantiles[q] - low) / (high - low) for q in ("0.25", "0.5", "0.75") if q in quantiles]


def _missing(about: Mapping[str, Any]) -> str:
    total = about["count"] + about["missing"]
    if not about["missing"]:
        return ""
    return (
        '<div class="missing"><span class="track"><span style="width:'
        f'{100 * about["missing"] / total:.2f}%"></span></span>'
        f"{share(about['missing'], total)} missing ({about['missing']:,})</div>"
    )


def _figures(about: Mapping[str, Any]) -> str:
    if "quantiles" not in about or "levels" in about or about["min"] == about["max"]:
        return ""
    quantiles = about["quantiles"]
    shown = [
        ("mean", about.get("mean")),
        ("std", about.get("std")),
        ("median", quantiles["0.5"]),
    ]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{escape(number(v))}</dd></div>"
        for name, v in shown
        if v is not None
    )
    spread = f"{number(quantiles['0.01'])} … {number(quantiles['0.99'])}"
    cells += f"<div><dt>1–99 %</dt><dd>{escape(spread)}</dd></div>"
    return f'<dl class="figures">{cells}</dl>'


def compact_table(columns: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The columns beyond those that have cards."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(about['dtype'])}</td>"
        f"<td class=n>{about['missing']:,}</td><td class=n>{about['distinct']:,}</td>"
        f"<td class=n>{_cell(about, 'min')}</td><td class=n>{_cell(about, 'mean')}</td>"
        f"<td class=n>{_cell(about, 'max')}</td></tr>"
        for name, about in columns
    )
    heads = "".join(
        f"<th{' class=n' if position > 1 else ''}>{head}</th>"
        for position, head in enumerate(
            ("column", "type", "missing", "distinct", "min", "mean", "max")
        )
    )
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'


def _cell(about: Mapping[str, Any], key: str) -> str:
    value = about.get(key)
    return "" if value is None else escape(number(value) if isinstance(value, float) else value)
