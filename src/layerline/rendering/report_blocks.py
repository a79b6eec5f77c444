"""The blocks that a report is made of; texts may contain `code` and **bold**."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

_NUMBER = re.compile(r"[-+−]?\d[\d.,e+-]*(\s|%|$)")


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
    """A table; `marked` are positions of highlighted rows, the first `n_text` columns are text.

    Of the others those are figures, which stand to the right, that have a number in any row.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = ()
    n_text: int = 1

    @property
    def figures(self) -> list[bool]:
        """Of each column whether it has numbers: `3d-printer` is none, `0.1 to 0.2` is.

        >>> Table(["run", "loss", "verdict"], [["7", "-0.1 to 2", "better"]]).figures
        [False, True, False]
        """
        return [
            place >= self.n_text and any(_NUMBER.match(row[place]) for row in self.rows)
            for place in range(len(self.header))
        ]


@dataclasses.dataclass(frozen=True)
class Picture(Block):
    """A PNG: Markdown links to it, HTML embeds it; a plot is inverted on a dark screen."""

    path: Path
    link: str
    caption: str
    is_plot: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the file's header; (0, 0) of what is no PNG."""
        with self.path.open("rb") as file:
            head = file.read(24)
        if len(head) < 24 or head[12:16] != b"IHDR":
            return 0, 0
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


@dataclasses.dataclass(frozen=True)
class Code(Block):
    """Preformatted text; collapsed in HTML."""

    text: str


@dataclasses.dataclass(frozen=True)
class Figures(Block):
    """Headline figures: name, value, note."""

    boxes: Sequence[tuple[str, str, str]]
