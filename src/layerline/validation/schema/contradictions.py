"""What no schema file can mean: contradictions, each with its dotted path."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from layerline.columns.kinds import dtypes_of
from layerline.columns.spec import Dtype, Kind
from layerline.config import SEVERAL
from layerline.errors import Problem
from layerline.lookup import is_import_path
from layerline.tables.task import SINGLE
from layerline.text import exact
from layerline.validation.schema.entries import ColumnEntry, SchemaFile
from layerline.validation.schema.expressions import ExpressionError, parse
from layerline.validation.schema.severities import LIMITED, OF_COLUMNS, RULES

_PYTHON = {"str": str, "bool": bool, "int64": int}
_KINDS = {"datetime64[us]": "date", "int64": "number", "float64": "number", "bool": "truth"}


def contradictions(file: SchemaFile) -> list[Problem]:
    """Every contradiction of the file."""
    problems = [p for name, c in file.columns.items() for p in _of_column(f"columns.{name}", c)]
    return [*problems, *_of_targets(file), *_of_groups(file), *_of_checks(file), *_of_rules(file)]


def _of_targets(file: SchemaFile) -> list[Problem]:
    names = file.targets
    if not names or len(set(names)) < len(names):
        return [Problem("target", "must name a column, or several that differ")]
    if (len(names) > 1) != (file.task in SEVERAL):
        what = "several targets" if file.task in SEVERAL else "one target"
        return [Problem("task", f"{file.task} is of {what}, and `target` names {len(names)}")]
    return [problem for name in names for problem in _of_target(file, name)]


def _of_target(file: SchemaFile, name: str) -> list[Problem]:
    problems = []
    target = file.columns.get(name)
    if target is None:
        names = ", ".join(file.columns)
        return [Problem("target", f"{name!r} is not among the columns: {names}")]
    where = f"columns.{name}"
    task = SINGLE.get(file.task, file.task)
    wanted: Kind = "number" if task == "regression" else "category"
    if target.kind != wanted:
        problems.append(Problem(f"{where}.kind", f"must be {wanted} for {file.task}"))
    if target.nullable or not target.use:
        problems.append(Problem(where, "the target can be neither nullable nor unused"))
    n_levels = len(target.levels or ())
    if task == "binary" and n_levels != 2:
        message = f"must be two for {file.task}, got {n_levels}"
        problems.append(Problem(f"{where}.levels", message))
    if file.task == "multiclass" and n_levels < 3:
        problems.append(
            Problem(f"{where}.levels", f"must be three or more for multiclass, got {n_levels}")
        )
    return problems


def _of_column(where: str, column: ColumnEntry) -> list[Problem]:
    problems = []
    if column.dtype not in dtypes_of(column.kind):
        known = " or ".join(dtypes_of(column.kind))
        message = f"must be {known} for a {column.kind}, got {column.dtype!r}"
        problems.append(Problem(f"{where}.dtype", message))
    if column.kind == "text" and column.use:
        problems.append(Problem(f"{where}.use", "must be false: no network here reads free text"))
    if column.min is not None and column.max is not None and column.min > column.max:
        problems.append(Problem(where, f"min {exact(column.min)} is above max {exact(column.max)}"))
    if column.kind != "number" and (column.min is not None or column.max is not None):
        problems.append(Problem(where, f"min and max are for numbers, not for a {column.kind}"))
    if (column.kind == "category") != bool(column.levels):
        message = (
            "a category needs levels" if column.kind == "category" else "only a category has levels"
        )
        problems.append(Problem(f"{where}.levels", message))
    elif column.levels and column.dtype in _PYTHON:
        problems += _of_levels(f"{where}.levels", column.levels, column.dtype)
    written = {"iso"} if column.written is None else {column.written.dates}
    if column.written is not None and column.kind != ("number" if written == {"iso"} else "date"):
        problems.append(Problem(f"{where}.written", f"does not fit a {column.kind}"))
    problems += _of_pattern(f"{where}.pattern", column)
    return [
        *problems,
        *(
            _unknown(f"{where}.accept", name, OF_COLUMNS)
            for name in column.accept
            if name not in OF_COLUMNS
        ),
    ]


def _of_pattern(where: str, column: ColumnEntry) -> list[Problem]:
    if column.pattern is None:
        return []
    if column.dtype != "str":
        return [Problem(where, f"only text has a pattern, not {column.dtype}")]
    try:
        pc.match_substring_regex(pa.array([""]), column.pattern)
    except pa.ArrowInvalid as error:
        return [Problem(where, f"{column.pattern!r} is not a regular expression of RE2: {error}")]
    return []


def _unknown(where: str, name: str, known: Iterable[str]) -> Problem:
    near = difflib.get_close_matches(name, known := list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return Problem(where, f"{name!r} is not known; {hint}choose one of: {', '.join(known)}")


def _of_groups(file: SchemaFile) -> list[Problem]:
    return [
        _unknown(f"unique.{index}", name, file.columns)
        for index, group in enumerate(file.unique)
        for name in group
        if name not in file.columns
    ]


def expression_kinds(dtypes: Mapping[str, Dtype]) -> dict[str, str]:
    """Column -> its kind in the language of cross-column rules."""
    return {name: _KINDS.get(dtype, "text") for name, dtype in dtypes.items()}


def _of_checks(file: SchemaFile) -> list[Problem]:
    kinds = expression_kinds({name: column.dtype for name, column in file.columns.items()})
    problems = []
    for index, check in enumerate(file.checks):
        if is_import_path(check.rule):
            continue  # the user's code is run by validate alone
        try:
            parse(check.rule, kinds)
        except ExpressionError as error:
            problems.append(Problem(f"checks.{index}", f"{check.rule!r}: {error}"))
    return problems


def _of_rules(file: SchemaFile) -> list[Problem]:
    problems = []
    for name, entry in file.rules.items():
        where = f"rules.{name}"
        if name not in RULES:
            problems.append(_unknown("rules", name, RULES))
            continue
        rule = RULES[name]
        if entry.severity is not None and entry.severity not in rule.may_be:
            allowed = " or ".join(rule.may_be)
            problems.append(Problem(where, f"must be {allowed}, got {entry.severity!r}"))
        if entry.limit is not None and name not in LIMITED:
            problems.append(Problem(where, f"has no limit; those with one: {', '.join(LIMITED)}"))
    return problems


def _of_levels(where: str, levels: list[Any], dtype: Dtype) -> list[Problem]:
    wrong = [level for level in levels if type(level) is not _PYTHON[dtype]]
    if wrong:
        hint = "; write it in quotes" if dtype == "str" else ""
        return [Problem(where, f"{wrong[0]!r} is not {dtype}{hint}")]
    if len(set(levels)) < len(levels):
        twice = next(level for level in levels if levels.count(level) > 1)
        return [Problem(where, f"{twice!r} is there more than once")]
    return []
