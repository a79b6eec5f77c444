"""What follows from a verdict: the report, the warnings that are printed, or the refusal."""

from collections.abc import Mapping, Sequence
from typing import Any

from layerline.config import ValidateSection
from layerline.errors import DataError
from layerline.text import listing
from layerline.validation.checks import Rows, Verdict
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.severities import RULES


class BrokenRulesError(DataError):
    """The data break the schema; `report` is the content of reports/validation.json."""

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        self.report = report
        super().__init__(message)


def report_of(
    verdict: Verdict, rows: Rows, section: ValidateSection, schema: TableSchema
) -> dict[str, Any]:
    """The content of reports/validation.json."""
    bad = verdict.bad
    too_many = bool(len(bad)) and bad.mean() > section.max_bad_fraction
    of_rows = section.on_bad_rows == "quarantine" and not too_many
    return {
        "n_rows": rows.n_rows,
        "n_bad_rows": int(verdict.bad.sum()),
        "on_bad_rows": section.on_bad_rows,
        "task": schema.task,
        "target": schema.target,
        "n_columns": len(schema.columns),
        "broken": [rule.to_dict() for rule in verdict.errors],
        "warnings": [rule.to_dict() for rule in verdict.warnings],
        "passed": not verdict.errors,
        "accepted": all(rule.is_of_rows and of_rows for rule in verdict.errors),
    }


def warning_lines(warnings: Sequence[Mapping[str, Any]], page: str) -> list[str]:
    """Warnings in a few lines: columns with the same warning share a line."""
    by_rule: dict[str, list[Mapping[str, Any]]] = {}
    for warning in warnings:
        by_rule.setdefault(warning["rule"], []).append(warning)
    lines = []
    for rule, group in by_rule.items():
        if len(group) == 1:
            lines.append(group[0]["message"])
            continue
        names = listing([repr(warning["column"]) for warning in group], 5)
        about = RULES[rule].about.split(" (")[0] if rule in RULES else f"rule {rule!r}"
        lines.append(f"{about}, in {len(group)}: {names}")
    return [*lines, f"more in {page}"] if lines else []


def refuse(verdict: Verdict, section: ValidateSection, report: dict[str, Any], file: str) -> None:
    """End the stage when rules are broken that `section` does not set rows aside for.

    Raises:
        BrokenRulesError: the message has a line for each rule.
    """
    bad, quarantined = verdict.bad, section.on_bad_rows == "quarantine"
    too_many = bool(len(bad)) and bad.mean() > section.max_bad_fraction
    lines = []
    for rule in sorted(verdict.errors, key=lambda rule: rule.is_of_rows):
        advice = "; or set validate.on_bad_rows: quarantine"
        if not rule.is_of_rows or not quarantined or too_many:
            answered = "" if quarantined or not rule.is_of_rows else advice
            lines.append(f"{file}: {rule.message}{answered}")
    if quarantined and too_many:
        share, allowed = f"{bad.mean():.1%}", f"{section.max_bad_fraction:.1%}"
        lines.append(
            f"{file}: {bad.sum()} of {len(bad)} rows ({share}) would be set aside, more than the "
            f"{allowed} of validate.max_bad_fraction; fix the data, or raise it"
        )
    if lines:
        raise BrokenRulesError("\n".join(lines), report)
