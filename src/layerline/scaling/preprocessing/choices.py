"""What the section `scale` chooses for a column: a builder with its options filled in."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from layerline.lookup import Choice, pick, read_options


class Line(Protocol):
    """A line of a table of this room."""

    @property
    def build(self) -> Callable[..., Any]: ...


def chosen(
    table: Mapping[str, Line],
    choice: Choice,
    where: str,
    own: Callable[[str], Line] | None = None,
) -> Callable[..., Any]:
    """The builder that is chosen, with its options filled in.

    Raises:
        ParamsError: the name or an option is unknown.
    """
    builder = pick(table, choice.name, where, own).build
    options = read_options(builder, choice.options, where)
    return lambda *given: builder(*given, **options)
