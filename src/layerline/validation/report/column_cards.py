"""What the card of each column shows: its kind, its distribution, its violations and warnings."""

from collections.abc import Mapping, Sequence
from typing import Any

from layerline.columns.spec import ColumnSpec
from layerline.validation.report.labels import number, share
from layerline.validation.schema.definitions import TableSchema

SHOWN_LEVELS = 8
Notes = Sequence[tuple[str, Mapping[str, Any]]]  # (severity, violation or warning)


def column_card(
    name: str, profile: Mapping[str, Any], schema: TableSchema, notes: Notes = ()
) -> dict[str, Any]:
    """The values of column_card.html for one column.

    Args:
        name: of the column.
        profile: its part of reports/profile.json.
        schema: the frozen schema.
        notes: what is wrong with the column.
    """
    spec = next((c for c in schema.columns if c.name == name), None)
    severities = {severity for severity, _ in notes}
    return {
        "name": name,
        "severity": "error" if "error" in severities else "warning" if severities else "",
        "role": _role(spec, schema),
        "facts": _facts(spec, profile),
        "bars": _bars(profile),
        "histogram": _histogram(profile),
        "constant": f"always {_text(profile, 'min')}" if "histogram" in profile else "no values",
        "missing": _missing(profile),
        "figures": _figures(profile),
        "marks": [(severity, note["rule"]) for severity, note in notes],
    }


def _role(spec: ColumnSpec | None, schema: TableSchema) -> str:
    if spec is None:
        return "not in the schema"
    if spec.name in schema.targets:
        return "target"
    return "" if spec.use else "not used"


def _facts(spec: ColumnSpec | None, profile: Mapping[str, Any]) -> str:
    estimated = "about " if profile.get("distinct_is_estimated") else ""
    kind = f"{spec.kind} · {spec.dtype}" if spec else profile["dtype"]
    return f"{kind} · {estimated}{profile['distinct']:,} distinct"


def _bars(profile: Mapping[str, Any]) -> list[tuple[str, int, float, str]]:
    """(level, count, percent of the longest bar, share) of the most frequent levels."""
    if not profile.get("levels"):
        return []
    shown = frequent_levels(profile)
    longest = max(count for _, count in shown) or 1
    total = profile["count"]
    return [(name, count, 100 * count / longest, share(count, total)) for name, count in shown]


def frequent_levels(profile: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The most frequent levels with their counts; the remaining ones are summed up."""
    found = [(str(level), count) for level, count in profile["levels"]]
    rest = sum(count for _, count in found[SHOWN_LEVELS:]) + profile.get("other", 0)
    more = profile["distinct"] - SHOWN_LEVELS
    return found[:SHOWN_LEVELS] + ([(f"… {more:,} more", rest)] if rest else [])


def _histogram(profile: Mapping[str, Any]) -> dict[str, Any] | None:
    if "histogram" not in profile or profile["min"] == profile["max"]:
        return None
    edges = profile["histogram"]["edges"]
    low, high = (e[:10] if isinstance(e, str) else number(e) for e in (edges[0], edges[-1]))
    counts = profile["histogram"]["counts"]
    return {"counts": counts, "low": low, "high": high, "marks": _quartiles(profile)}


def _quartiles(profile: Mapping[str, Any]) -> list[float]:
    """Places of the quartiles, 0 at the minimum and 1 at the maximum."""
    low, high = profile.get("min"), profile.get("max")
    if not isinstance(low, float) or not isinstance(high, float) or not 0 < high - low < 1e300:
        return []
    quantiles = profile.get("quantiles", {})
    return [(quantiles[q] - low) / (high - low) for q in ("0.25", "0.5", "0.75") if q in quantiles]


def _missing(profile: Mapping[str, Any]) -> dict[str, Any] | None:
    n_missing = profile["missing"]
    total = profile["count"] + n_missing
    if not n_missing:
        return None
    percent = 100 * n_missing / total
    return {"count": n_missing, "percent": percent, "share": share(n_missing, total)}


def _figures(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "quantiles" not in profile or "levels" in profile or profile["min"] == profile["max"]:
        return []
    quantiles = profile["quantiles"]
    shown = {"mean": profile.get("mean"), "std": profile.get("std"), "median": quantiles["0.5"]}
    figures = [(name, number(value)) for name, value in shown.items() if value is not None]
    return [*figures, ("1–99 %", f"{number(quantiles['0.01'])} … {number(quantiles['0.99'])}")]


def column_table(columns: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """One line each for the columns that have no card."""
    rows = [
        (
            name,
            profile["dtype"],
            f"{profile['missing']:,}",
            f"{profile['distinct']:,}",
            *(_text(profile, key) for key in ("min", "mean", "max")),
        )
        for name, profile in columns
    ]
    header = ("column", "type", "missing", "distinct", "min", "mean", "max")
    return {"header": header, "rows": rows}


def _text(profile: Mapping[str, Any], key: str) -> str:
    value = profile.get(key)
    return "" if value is None else number(value) if isinstance(value, float) else str(value)
