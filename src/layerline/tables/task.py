"""The task: found from the target's values, or checked against them.

Text and true/false are classes. Decimals are a quantity. Whole numbers are classes when there are
few of them and each occurs often; otherwise they are a quantity. Several targets are all numbers
(multi-output regression) or all of two levels (multi-label).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd

from layerline.columns.number_forms import are_numbers
from layerline.config import SEVERAL, Task
from layerline.errors import DataError
from layerline.text import exact, listing

MAX_NUMBER_CLASSES = 20  # more distinct whole numbers than this are a quantity
MIN_ROWS_A_CLASS = 3  # on average
_LOOKED_AT = 1000  # distinct values
SINGLE: Mapping[str, Task] = {"multi_regression": "regression", "multilabel": "binary"}
_TOGETHER: Mapping[str, Task] = {each: together for together, each in SINGLE.items()}  # type: ignore[misc]


def resolve_tasks(
    column: Callable[[str], pd.Series],
    names: Sequence[str],
    asked: Literal["auto"] | Task = "auto",
    *,
    has_schema: bool = False,
) -> tuple[Task, str]:
    """The task of one target, or of several together, and one sentence with the reason.

    Args:
        column: gives the values of a target.
        names: of the targets.
        asked: fetch.task.
        has_schema: as for `resolve_task`.

    Raises:
        DataError: the values of a target cannot be predicted, or not together.
    """
    if len(names) == 1:
        return resolve_task(column(names[0]), asked, has_schema=has_schema)
    each = asked if asked == "auto" else SINGLE[asked]
    found = {name: resolve_task(column(name), each, has_schema=has_schema) for name in names}
    tasks = {task for task, _ in found.values()}
    if len(tasks) > 1 or not tasks <= set(_TOGETHER):
        shown = ", ".join(f"{name!r} is {task}" for name, (task, _) in found.items())
        raise DataError(
            "fetch.target: several targets must all be numbers (multi_regression) or all have two "
            f"levels (multilabel), but {shown}; train a model for each, or set fetch.task: "
            "multi_regression if all are quantities"
        )
    task = _TOGETHER[tasks.pop()]
    what = "numbers" if task == "multi_regression" else "two levels each"
    return task, f"{task}: the targets {listing(list(map(repr, names)))} hold {what}."


def resolve_task(
    target: pd.Series, asked: Literal["auto"] | Task = "auto", *, has_schema: bool = False
) -> tuple[Task, str]:
    """The task, and one sentence with the reason.

    With a schema, which knows the classes, a class too many is no matter of the task: validation
    sets such rows aside, or names them.

    Raises:
        DataError: the values cannot be a target, or not one of the task asked for.
    """
    if asked in SEVERAL:
        raise DataError(f"fetch.task: {asked} is of several targets, and fetch.target names one")
    values = target.dropna()
    if isinstance(values.dtype, pd.StringDtype):
        values = values.str.strip()  # blanks around a class mean nothing
    name, n_levels = target.name, int(values.nunique())
    if pd.api.types.is_datetime64_any_dtype(values):
        raise DataError(f"target {name!r} holds dates; give a number or classes to predict")
    if n_levels < 2:
        what = f"only the value {values.tolist()[0]!r}" if n_levels else "no value at all"
        raise DataError(f"target {name!r} holds {what}; there is nothing to learn")
    words, fractional = is_words(values), not is_words(values) and bool((values % 1 != 0).any())
    holds = _describe(values, words, fractional, n_levels)
    if asked != "auto":
        n_classes = 2 if has_schema and asked == "binary" and n_levels > 2 else n_levels
        _require_possible(str(name), asked, holds, n_classes, words or not fractional, words)
        return asked, f"{asked}, as set in fetch.task: target {name!r} holds {holds}."
    return _found(values, words, fractional, holds)


def is_words(values: pd.Series) -> bool:
    """Whether values are text or true/false, which are classes however many there are."""
    return pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values)


def _describe(values: pd.Series, words: bool, fractional: bool, n_levels: int) -> str:
    shown = sorted(values.unique().tolist(), key=lambda level: (str(type(level)), level))[:3]
    if fractional:
        return "numbers with decimals"
    levels = ", ".join(exact(level) if isinstance(level, float) else str(level) for level in shown)
    what = "distinct values" if words else "distinct whole numbers"
    return f"{n_levels} {what} ({levels}{', …' if n_levels > len(shown) else ''})"


def _found(values: pd.Series, words: bool, fractional: bool, holds: str) -> tuple[Task, str]:
    """The rule of `auto`."""
    name, n_rows, n_levels = values.name, len(values), int(values.nunique())
    often = n_rows >= MIN_ROWS_A_CLASS * n_levels
    almost = _almost_numbers(values) if words else ""
    if words and not often and n_levels > MAX_NUMBER_CLASSES:
        remedy = "an identifier; choose another target, or merge classes"
        raise DataError(
            f"target {name!r} is text with {n_levels} distinct values in {n_rows} rows: too few "
            f"rows for each to learn from, or {almost or remedy}"
        )
    if fractional or (
        not words and n_levels > 2 and not (often and n_levels <= MAX_NUMBER_CLASSES)
    ):
        return "regression", f"regression: target {name!r} holds {holds}, which are a quantity."
    task: Task = "binary" if n_levels == 2 else "multiclass"
    doubt = "; if they are a quantity, set fetch.task: regression"
    if words:
        doubt = f", perhaps {almost}" if almost else ""
    return task, f"{task}: target {name!r} holds {holds}{doubt}."


def _almost_numbers(values: pd.Series) -> str:
    """What text is that holds numbers and something else; empty where it holds no numbers."""
    words = values.astype(str).drop_duplicates().iloc[:_LOOKED_AT].tolist()
    likely = are_numbers(words)
    others = [word for word, is_number in zip(words, likely, strict=True) if not is_number]
    if not others or likely.mean() < 0.5 or any(word.isdecimal() for word in others):
        return ""  # decimal digits that are no number are codes: 007
    shown = listing([repr(word) for word in others], 3)
    return (
        f"numbers, but for {shown}: correct that at the source, or list it in "
        "fetch.options.missing (`layerline init --missing`)"
    )


def _require_possible(
    name: str, asked: Task, holds: str, n_levels: int, countable: bool, words: bool
) -> None:
    possible = {
        "regression": not words,
        "binary": countable and n_levels == 2,
        "multiclass": countable and n_levels > 2,
    }
    if not possible[asked]:
        rule = {
            "regression": "needs numbers",
            "binary": "needs exactly two classes",
            "multiclass": "needs three or more classes",
        }[asked]
        fits = " or ".join(task for task, is_possible in possible.items() if is_possible)
        raise DataError(
            f"fetch.task: {asked} {rule}, but target {name!r} holds {holds}; "
            f"set it to {fits} or auto"
        )
