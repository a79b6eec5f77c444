"""Every rule that the data must satisfy: how strictly by default, and how far a user may relax it.

A rule of scope `row` is broken by rows, which quarantine can set aside; one of scope `table` or
`column` by the table as a whole. `error` ends the stage with exit code 3, `warning` is printed and
reported, `off` is not looked at. A line of `rules:` in the schema file sets another severity or
limit. To add a rule: a line here, and its finder in layerline.validation (enforcing for rows,
FLAGS in flagging for columns).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "off"]
Scope = Literal["row", "column", "table"]


class Setting(NamedTuple):
    """How strictly a rule is kept, and from which figure on it is broken."""

    severity: Severity
    limit: float | None = None


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    scope: Scope
    about: str
    default: Setting
    may_be: tuple[Severity, ...] = ("error", "warning", "off")


ERROR, WARNING = Setting("error"), Setting("warning")
STRICT: tuple[Severity, ...] = ("error",)
RELAXABLE: tuple[Severity, ...] = ("error", "warning")

RULES: Mapping[str, Rule] = {
    "type": Rule("row", "values of another type than dtype", ERROR, STRICT),
    "missing": Rule("row", "missing values where nullable is false", ERROR, STRICT),
    "finite": Rule("row", "infinite numbers", ERROR, STRICT),
    "limits": Rule("row", "numbers outside min and max", ERROR),
    "levels": Rule("row", "values outside levels", ERROR, RELAXABLE),
    "pattern": Rule("row", "text that does not match the pattern", ERROR),
    "unique": Rule("row", "values, or groups of values, that must be unique", ERROR),
    "check": Rule("row", "rules over several columns, under checks", ERROR),
    "duplicate_rows": Rule("row", "rows equal to an earlier one in all that is learnt", WARNING),
    "conflicting_rows": Rule(
        "table",
        "rows of different classes equal in every feature (limit: their share)",
        Setting("warning", 0.01),
    ),
    "kind": Rule("table", "a table where images are meant, or images for a table", ERROR, STRICT),
    "column_missing": Rule("table", "columns that vanished", ERROR, STRICT),
    "column_unexpected": Rule("table", "columns that were added", ERROR, RELAXABLE),
    "too_few_rows": Rule("table", "fewer rows than can be split and learnt from", ERROR, STRICT),
    "class_rows": Rule(
        "table", "classes with fewer rows than validate.min_class_rows", ERROR, RELAXABLE
    ),
    "class_balance": Rule(
        "table",
        "classes far rarer than others (limit: the most frequent to the rarest)",
        Setting("warning", 50.0),
    ),
    "image_shape": Rule("table", "images of another shape or type", ERROR, STRICT),
    "image_labels": Rule("table", "images without label, or labels without image", ERROR, STRICT),
    "blank_images": Rule("row", "images of one colour", WARNING),
    "empty": Rule("column", "used columns without any value", ERROR, RELAXABLE),
    "constant": Rule("column", "columns with a single value", WARNING),
    "near_constant": Rule(
        "column",
        "columns that nearly always hold one value (limit: its share)",
        Setting("warning", 0.995),
    ),
    "mostly_missing": Rule(
        "column",
        "columns that are nearly empty (limit: the share missing)",
        Setting("warning", 0.9),
    ),
    "id_like": Rule("column", "columns that number or name the rows", WARNING),
    "target_leak": Rule(
        "column",
        "features that alone predict the target (limit: the share)",
        Setting("warning", 0.99),
    ),
}
LIMITED = tuple(name for name, rule in RULES.items() if rule.default.limit is not None)
OF_COLUMNS = tuple(name for name, rule in RULES.items() if rule.scope == "column")
