"""Name -> component tables, with errors that list the names, and signatures as option schemas.

A table maps a name to a builder whose keyword-only arguments are the component's `options` in
params.yaml. To add a component: write the builder, add one line to its table. A line is the
builder itself or, where others must know more of it (which tasks it fits, whether it can be
stacked), a frozen dataclass whose first field is `build`; `builders` reads either.

Where columns may differ, params.yaml gives `Choices`: a default, and exceptions by column.
"""

import difflib
import functools
import inspect
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model

from layerline.errors import ParamsError, Problem
from layerline.wrong_values import problems_of

T = TypeVar("T")

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class Choice(NamedTuple):
    """A named entry of a table and its options."""

    name: str
    options: Mapping[str, Any]


class Choices(NamedTuple):
    """What is chosen for the columns of a table; `columns` holds the exceptions."""

    default: Choice
    columns: Mapping[str, Choice]

    def of(self, column: str) -> Choice:
        """The choice for this column."""
        return self.columns.get(column, self.default)


def read_choices(value: Any, default: str) -> Choices:
    """Read `NAME`, `{name: NAME, ...options}` or `{default: ..., columns: {COLUMN: ...}}`.

    Raises:
        ValueError: the value has another form.

    >>> read_choices({"columns": {"income": "quantile"}}, "standard").of("income").name
    'quantile'
    """
    if not isinstance(value, Mapping) or "name" in value:
        return Choices(_read_choice(value), {})
    columns = value.get("columns", {})
    if set(value) - {"default", "columns"} or not isinstance(columns, Mapping):
        raise ValueError(
            "must be a name, a mapping with `name: NAME` and its options, or a mapping with "
            "`default` and `columns: {COLUMN: NAME}`"
        )
    named = {str(column): _read_choice(choice) for column, choice in columns.items()}
    return Choices(_read_choice(value.get("default", default)), named)


def _read_choice(value: Any) -> Choice:
    if isinstance(value, str):
        return Choice(value, {})
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return Choice(value["name"], {key: value[key] for key in value if key != "name"})
    raise ValueError("must be a name, or a mapping with `name: NAME` and its options")


def builders(table: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """Name -> builder of a table, whether its lines are builders or carry traits beside `build`.

    >>> import dataclasses
    >>> @dataclasses.dataclass(frozen=True)
    ... class Line:
    ...     build: Callable[..., Any]
    ...     stackable: bool = False
    >>> builders({"a": dict, "b": Line(list, stackable=True)})
    {'a': <class 'dict'>, 'b': <class 'list'>}
    """
    return {name: getattr(line, "build", line) for name, line in table.items()}


def is_import_path(name: str) -> bool:
    """Whether a name has the form of an import path.

    >>> [is_import_path(name) for name in ("mine.losses:huberish", "mse", "a.b:", "C:/x")]
    [True, False, False, False]
    """
    return _IMPORT_PATH.fullmatch(name) is not None


def pick(table: Mapping[str, T], name: str, where: str, own: Callable[[str], T] | None = None) -> T:
    """Return `table[name]`; with `own`, an import path is a component of the user's.

    Raises:
        ParamsError: the name is not in the table; the message lists the names that are.
    """
    if name in table:
        return table[name]
    if own is not None and is_import_path(name):
        return own(name)
    close = difflib.get_close_matches(name, table, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    names = ", ".join([*sorted(table), *(["PACKAGE.MODULE:NAME"] if own else [])])
    raise ParamsError([Problem(where, f"{name!r} is not known; {hint}choose one of: {names}")])


def one_of(table: Mapping[str, object]) -> BeforeValidator:
    """A check for annotations: the value is a name of the table."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in table:
            raise ValueError(f"must be one of: {', '.join(table)}")
        return value

    return BeforeValidator(check, json_schema_input_type=Literal[tuple(table)])


def option_problems(
    builder: Callable[..., Any],
    options: Mapping[str, Any],
    where: str,
    given: Collection[str] = (),
) -> list[Problem]:
    """Check `options` against the builder's keyword-only arguments without calling it.

    Positional arguments, and those named in `given` (sizes, mostly), come from the caller and are
    not options. The check is strict: `epochs: "10"` is refused; an int for a float is accepted.
    """
    return _read_options(builder, options, where, given)[1]


def read_options(
    builder: Callable[..., Any],
    options: Mapping[str, Any],
    where: str,
    given: Collection[str] = (),
) -> dict[str, Any]:
    """Return the builder's keyword arguments, with the types of its signature (lists: tuples).

    Raises:
        ParamsError: with every option that is unknown, missing or of a wrong type.
    """
    values, problems = _read_options(builder, options, where, given)
    if problems:
        raise ParamsError(problems)
    return values


def _read_options(
    builder: Callable[..., Any],
    options: Mapping[str, Any],
    where: str,
    given: Collection[str],
) -> tuple[dict[str, Any], list[Problem]]:
    model = options_model(builder, given)
    try:
        # JSON mode is strict about scalars yet reads a list as a tuple, as YAML users expect.
        read = model.model_validate_json(json.dumps(dict(options), default=str))
    except ValidationError as error:
        return {}, problems_of(error, model, dict(options), where)
    return {name: getattr(read, name) for name in model.model_fields}, []


def option_names(builder: Callable[..., Any], given: Collection[str] = ()) -> set[str]:
    """The names of the builder's options."""
    return set(options_model(builder, given).model_fields)


def options_model(builder: Callable[..., Any], given: Collection[str] = ()) -> type[BaseModel]:
    """The builder's keyword-only arguments, but those in `given`, as a pydantic model."""
    return _options_model(builder, frozenset(given))


@functools.lru_cache(maxsize=512)  # to make one takes milliseconds, and a study asks for thousands
def _options_model(builder: Callable[..., Any], given: frozenset[str]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        name: (
            Any if parameter.annotation is parameter.empty else parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for name, parameter in inspect.signature(builder).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in given
    }
    return create_model("options", __config__=_STRICT, **fields)
