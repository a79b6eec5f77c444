"""A small language for rules over several columns: `start <= end`, `paid == price * pieces`.

The text is parsed, never run: what is not in the tables below is refused. A name is a column;
`Names with blanks` stand in backquotes. There are numbers, 'text', dates as date('2024-12-31'),
true and false, + - * /, comparisons (also a < b < c, in, not in), and, or, not, abs(x) and
missing(x). Dates minus dates are days. A row in which a compared value is missing keeps the rule:
that values may not be missing is another rule.

To add an operator or a function: a line in the table, and its kinds in `_Typing`.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

MAX_LENGTH = 500
_QUOTED = re.compile(r"`([^`]+)`")
WORDS = {"true": True, "false": False}
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS = ("abs", "missing", "date")


class ExpressionError(Exception):
    """The text is not a rule of this language; the message has the reason."""


class Expression(NamedTuple):
    """A parsed rule."""

    text: str
    tree: ast.expr
    quoted: Mapping[str, str]  # the stand-in of a name in backquotes -> the name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of, each once, in order."""
        calls = {id(n.func) for n in ast.walk(self.tree) if isinstance(n, ast.Call)}
        names = [
            self.quoted.get(node.id, node.id)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name) and id(node) not in calls and node.id not in WORDS
        ]
        return tuple(dict.fromkeys(names))


def parse(text: str, kinds: Mapping[str, str]) -> Expression:
    """Parse a rule and check it against the columns.

    Args:
        text: the rule.
        kinds: each column's kind: number, date, text or truth.

    Raises:
        ExpressionError: the text is too long, no rule, or refers to an unknown column.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters")
    quoted: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        name = f"quoted_{len(quoted)}_"
        while name in kinds or name in text:
            name += "_"
        quoted[name] = match[1]
        return name

    try:
        tree = ast.parse(_QUOTED.sub(stand_in, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("not a rule such as `start <= end`") from None
    expression = Expression(text, tree, quoted)
    if _Typing(expression, kinds).of(tree) != "truth":
        raise ExpressionError("must be true or false for each row, such as `start <= end`")
    if not expression.columns:
        raise ExpressionError("names no column")
    return expression


class _Typing:
    """The kind of each part: number, text, date, truth; refuses what is not in the language."""

    def __init__(self, expression: Expression, kinds: Mapping[str, str]) -> None:
        self._quoted, self._kinds = expression.quoted, kinds
        self._visit: Mapping[type[ast.expr], Callable[[Any], str]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._arithmetic,
            ast.BoolOp: self._words,
            ast.Compare: self._comparison,
            ast.Call: self._call,
        }

    def of(self, node: ast.expr) -> str:
        visit = self._visit.get(type(node))
        if visit is None:
            raise ExpressionError(f"{type(node).__name__} is not part of the language")
        return visit(node)

    def _constant(self, node: ast.Constant) -> str:
        value: Any = node.value
        found = {bool: "truth", int: "number", float: "number", str: "text"}.get(type(value))
        if found is None or (found == "number" and not abs(value) < 1e300):
            raise ExpressionError(f"{value!r} is not a value of this language")
        return found

    def _name(self, node: ast.Name) -> str:
        if node.id in WORDS:
            return "truth"
        name = self._quoted.get(node.id, node.id)
        if name not in self._kinds:
            raise ExpressionError(f"{name!r} is not among the columns: {', '.join(self._kinds)}")
        return self._kinds[name]

    def _unary(self, node: ast.UnaryOp) -> str:
        wanted = "truth" if isinstance(node.op, ast.Not) else "number"
        if not isinstance(node.op, ast.Not | ast.USub) or self.of(node.operand) != wanted:
            raise ExpressionError("`not` is for what is true or false, `-` for numbers")
        return wanted

    def _arithmetic(self, node: ast.BinOp) -> str:
        kinds = (self.of(node.left), self.of(node.right))
        if type(node.op) not in ARITHMETIC:
            raise ExpressionError("the only arithmetic is + - * /")
        if kinds == ("date", "date") and isinstance(node.op, ast.Sub):
            return "number"
        if kinds != ("number", "number"):
            raise ExpressionError(f"cannot calculate with {kinds[0]} and {kinds[1]}")
        return "number"

    def _words(self, node: ast.BoolOp) -> str:
        if any(self.of(value) != "truth" for value in node.values):
            raise ExpressionError("`and` and `or` stand between what is true or false")
        return "truth"

    def _comparison(self, node: ast.Compare) -> str:
        left = self.of(node.left)
        for sign, part in zip(node.ops, node.comparators, strict=True):
            if isinstance(sign, ast.In | ast.NotIn):
                self._listed(left, part)
                continue
            right = self.of(part)
            if type(sign) not in COMPARISONS or left != right:
                raise ExpressionError(f"cannot compare {left} with {right}")
            left = right
        return "truth"

    def _listed(self, kind: str, part: ast.expr) -> None:
        if not isinstance(part, ast.List | ast.Tuple) or not part.elts:
            raise ExpressionError("`in` needs a list such as ['a', 'b']")
        if any(not isinstance(e, ast.Constant) or self.of(e) != kind for e in part.elts):
            raise ExpressionError(f"the list must hold plain values of the kind {kind}")

    def _call(self, node: ast.Call) -> str:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        if name not in FUNCTIONS or len(node.args) != 1 or node.keywords:
            raise ExpressionError(f"the functions are {', '.join(f'{f}(x)' for f in FUNCTIONS)}")
        argument = node.args[0]
        if name == "date":
            if not isinstance(argument, ast.Constant) or day(argument.value) is None:
                raise ExpressionError("date() needs a day such as date('2024-12-31')")
            return "date"
        kind = self.of(argument)
        if name == "missing" and not isinstance(argument, ast.Name):
            raise ExpressionError("missing() needs a column")
        if name == "abs" and kind != "number":
            raise ExpressionError(f"abs() needs a number, not {kind}")
        return "truth" if name == "missing" else "number"


def day(text: Any) -> np.datetime64 | None:
    """The moment that an ISO text stands for; None if for none."""
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?", text):
        return None
    try:
        return np.datetime64(text, "us")
    except ValueError:
        return None
