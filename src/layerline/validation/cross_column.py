"""Cross-column rules on rows: which rows break `start <= end`."""

import ast
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.validation.schema.expressions import ARITHMETIC, COMPARISONS, WORDS, Expression, day


class _Value(NamedTuple):
    """What a part is in each row, and where it is not known because a value is missing."""

    values: Any
    unknown: NDArray[np.bool_]


def broken_rows(expression: Expression, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows break the rule; (B,) bool. The frame's columns have their schema's types."""
    with np.errstate(all="ignore"):
        found = _evaluate(expression.tree, expression, frame)
    kept = np.broadcast_to(np.asarray(found.values, dtype=bool), len(frame))
    return ~kept & ~found.unknown


def _evaluate(node: ast.expr, rule: Expression, frame: pd.DataFrame) -> _Value:
    """One part of a checked tree."""
    none = np.zeros(len(frame), dtype=bool)
    if isinstance(node, ast.Constant):
        return _Value(node.value, none)
    if isinstance(node, ast.Name):
        if node.id in WORDS:
            return _Value(WORDS[node.id], none)
        return _column(frame[rule.quoted.get(node.id, node.id)])
    if isinstance(node, ast.Call):
        return _function(node, rule, frame)
    if isinstance(node, ast.BoolOp):
        parts = [_evaluate(value, rule, frame) for value in node.values]
        return _all(parts) if isinstance(node.op, ast.And) else _not(_all(list(map(_not, parts))))
    if isinstance(node, ast.UnaryOp):
        part = _evaluate(node.operand, rule, frame)
        return _not(part) if isinstance(node.op, ast.Not) else part._replace(values=-part.values)
    if isinstance(node, ast.BinOp):
        left, right = _evaluate(node.left, rule, frame), _evaluate(node.right, rule, frame)
        result = ARITHMETIC[type(node.op)](_number(left.values), _number(right.values))
        if getattr(result, "dtype", np.dtype(float)).kind == "m":
            result = result / np.timedelta64(1, "D")
        undefined = ~np.isfinite(np.broadcast_to(np.asarray(result, dtype=float), len(frame)))
        return _Value(result, left.unknown | right.unknown | undefined)
    assert isinstance(node, ast.Compare)
    return _compare(node, rule, frame)


def _column(column: pd.Series) -> _Value:
    unknown = column.isna().to_numpy()
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        values = column.astype(object).to_numpy(copy=True)
        if unknown.any():  # None cannot be compared
            values[unknown] = "" if any(isinstance(v, str) for v in values[:1000]) else False
        return _Value(values, unknown)
    values = column.to_numpy()
    return _Value(values, unknown)


def _number(values: Any) -> Any:
    # Whole numbers would overflow in silence.
    return np.asarray(values, dtype=np.float64) if np.asarray(values).dtype.kind in "iu" else values


def _function(node: ast.Call, rule: Expression, frame: pd.DataFrame) -> _Value:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    none = np.zeros(len(frame), dtype=bool)
    argument = node.args[0]
    if name == "date":
        assert isinstance(argument, ast.Constant)
        return _Value(day(argument.value), none)
    part = _evaluate(argument, rule, frame)
    if name == "missing":
        return _Value(part.unknown, none)
    return part._replace(values=np.abs(part.values))


def _compare(node: ast.Compare, rule: Expression, frame: pd.DataFrame) -> _Value:
    left, steps = _evaluate(node.left, rule, frame), []
    for sign, part in zip(node.ops, node.comparators, strict=True):
        if isinstance(sign, ast.In | ast.NotIn):
            assert isinstance(part, ast.List | ast.Tuple)
            listed = [e.value for e in part.elts if isinstance(e, ast.Constant)]
            found = pd.Series(np.broadcast_to(np.asarray(left.values), len(frame))).isin(listed)
            values = found.to_numpy() ^ isinstance(sign, ast.NotIn)
            steps.append(_Value(values, left.unknown))
            continue
        right = _evaluate(part, rule, frame)
        result = COMPARISONS[type(sign)](left.values, right.values)
        steps.append(_Value(np.asarray(result, dtype=bool), left.unknown | right.unknown))
        left = right
    return _all(steps)


def _not(part: _Value) -> _Value:
    return _Value(~np.asarray(part.values, dtype=bool), part.unknown)


def _all(parts: Sequence[_Value]) -> _Value:
    """Kleene's `and`: false where one part is known to be false, unknown where one is unknown."""
    false = np.zeros(len(parts[0].unknown), dtype=bool)
    unknown = false.copy()
    for part in parts:
        false |= ~np.asarray(part.values, dtype=bool) & ~part.unknown
        unknown |= part.unknown
    return _Value(~false, unknown & ~false)
