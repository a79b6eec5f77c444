"""A report as blocks, and the blocks as Markdown and as one HTML file that needs nothing else.

To add a kind of block: a dataclass with `markdown` and `html`.
"""

import base64
import dataclasses
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Block(Protocol):
    """One part of a report."""

    def markdown(self) -> str:
        """As Markdown."""

    def html(self) -> str:
        """As HTML, escaped."""


def _inline(text: str) -> str:
    """Escaped, with `code` and **bold** as Markdown has them."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)


def _cell(text: str) -> str:
    """Text that cannot break out of a Markdown table."""
    return " ".join(text.replace("|", r"\|").split())


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading of a level."""

    text: str
    level: int = 2

    def markdown(self) -> str:
        return f"{'#' * self.level} {self.text}"

    def html(self) -> str:
        return f"<h{self.level}>{_inline(self.text)}</h{self.level}>"


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """Text, with `code` and **bold**."""

    text: str

    def markdown(self) -> str:
        return self.text

    def html(self) -> str:
        return f"<p>{_inline(self.text)}</p>"


@dataclasses.dataclass(frozen=True)
class Points:
    """A list."""

    items: Sequence[str]

    def markdown(self) -> str:
        return "\n".join(f"- {item}" for item in self.items)

    def html(self) -> str:
        return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in self.items) + "</ul>"


@dataclasses.dataclass(frozen=True)
class Table:
    """The first column is text, the others are set right; `marked` rows stand out."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = ()

    def markdown(self) -> str:
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)

    def html(self) -> str:
        head = "".join(f"<th>{_inline(name)}</th>" for name in self.header)
        lines = []
        for position, row in enumerate(self.rows):
            cells = "".join(f"<td>{_inline(cell)}</td>" for cell in row)
            lines.append(f"<tr{' class=marked' if position in self.marked else ''}>{cells}</tr>")
        body = "".join(lines)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<div class=wide>{table}</div>"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG: Markdown links it, HTML carries it."""

    path: Path
    link: str
    caption: str

    def markdown(self) -> str:
        return f"![{self.caption}]({self.link})"

    def html(self) -> str:
        data = base64.b64encode(self.path.read_bytes()).decode()
        caption = html.escape(self.caption)
        image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
        return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


@dataclasses.dataclass(frozen=True)
class Code:
    """Text as it stands; HTML folds it."""

    text: str

    def markdown(self) -> str:
        return f"```\n{self.text}\n```"

    def html(self) -> str:
        return f"<details><summary>show</summary><pre>{html.escape(self.text)}</pre></details>"


@dataclasses.dataclass(frozen=True)
class Figures:
    """The few numbers that count, large: name, value, what stands under it."""

    items: Sequence[tuple[str, str, str]]

    def markdown(self) -> str:
        return Points(
            [f"**{name} {value}** ({note})" for name, value, note in self.items]
        ).markdown()

    def html(self) -> str:
        boxes = "".join(
            f"<div class=box><span>{html.escape(name)}</span><b>{html.escape(value)}</b>"
            f"<small>{html.escape(note)}</small></div>"
            for name, value, note in self.items
        )
        return f"<div class=boxes>{boxes}</div>"


_STYLE = """
:root { color-scheme: light; --ink: #1f2933; --soft: #667085; --line: #e4e7ec; --blue: #4c72b0; }
body { font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  color: var(--ink); background: #f6f7f9; margin: 0; }
main { max-width: 960px; margin: 32px auto; padding: 28px 44px 44px; background: #fff;
  border: 1px solid var(--line); border-radius: 10px; }
h1 { font-size: 30px; margin: 8px 0 4px; }
h2 { font-size: 19px; margin: 36px 0 10px; padding-bottom: 6px;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 15px; margin: 22px 0 6px; }
code { background: #f2f4f7; border-radius: 4px; padding: 1px 5px; font-size: 13px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums;
  margin: 10px 0; min-width: 50%; }
th { text-align: right; color: var(--soft); font-weight: 600;
  border-bottom: 2px solid var(--line); }
td { text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th, td { padding: 5px 12px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.marked td { background: #eef4ff; font-weight: 600; }
.boxes { display: flex; flex-wrap: wrap; gap: 14px; margin: 18px 0; }
.box { flex: 1 1 150px; border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; }
.box span { color: var(--soft); font-size: 13px; display: block; }
.box b { font-size: 25px; display: block; line-height: 1.35; }
.box small { color: var(--soft); }
figure { margin: 14px 0; } img { max-width: 100%; display: block; margin: 0 auto; }
figcaption { color: var(--soft); font-size: 13px; text-align: center; }
pre { overflow-x: auto; background: #f2f4f7; padding: 12px; border-radius: 6px; font-size: 12px; }
summary { cursor: pointer; color: var(--blue); }
"""


def to_markdown(blocks: Sequence[Block]) -> str:
    """The blocks as one Markdown text."""
    return "\n\n".join(block.markdown() for block in blocks) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """The blocks as one HTML page, pictures and style included."""
    body = "\n".join(block.html() for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body><main>\n{body}\n</main></body>\n</html>\n"
    )
