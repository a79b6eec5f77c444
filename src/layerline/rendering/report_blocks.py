"""The blocks that a report is made of; texts may contain `code` and **bold**."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Block:
    """One part of a report; a macro of each template renders it."""

    @property
    def macro(self) -> str:
        """The name of the macro."""
        return type(self).__name__.lower()


@dataclasses.dataclass(frozen=True)
class Heading(Block):
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


@dataclasses.dataclass(frozen=True)
class Paragraph(Block):
    """A paragraph."""

    text: str


@dataclasses.dataclass(frozen=True)
class Points(Block):
    """A bullet list."""

    lines: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Table(Block):
    """A table; `marked` are positions of highlighted rows, the first `n_text` columns are text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = ()
    n_text: int = 1


@dataclasses.dataclass(frozen=True)
class Picture(Block):
    """A PNG: Markdown links to it, HTML embeds it."""

    path: Path
    link: str
    caption: str


@dataclasses.dataclass(frozen=True)
class Code(Block):
    """Preformatted text; collapsed in HTML."""

    text: str


@dataclasses.dataclass(frozen=True)
class Figures(Block):
    """Headline figures: name, value, note."""

    boxes: Sequence[tuple[str, str, str]]
