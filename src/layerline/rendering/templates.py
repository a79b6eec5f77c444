"""Jinja2 environments for HTML and Markdown; both escape every value by default.

Names, levels and file names come from users' data: none of them may become markup.
"""

import base64
import functools
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from layerline.rendering.report_blocks import Block

_CODE = re.compile(r"(`[^`]+`)")


def render_html(title: str, blocks: Sequence[Block]) -> str:
    """A report as one HTML page, pictures and style sheet included."""
    return render_page("report.html", title=title, blocks=blocks)


def render_markdown(blocks: Sequence[Block]) -> str:
    """A report as Markdown."""
    return _environment("markdown").get_template("report.md").render(blocks=blocks)


def render_page(template: str, **values: object) -> str:
    """An HTML template of templates/ with its values."""
    return _environment("html").get_template(template).render(**values)


@functools.cache
def _environment(markup: str) -> Environment:
    is_html = markup == "html"
    environment = Environment(
        loader=PackageLoader("layerline.rendering"),
        autoescape=True,
        finalize=None if is_html else escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "cell": lambda text: escape_markdown(" ".join(str(text).replace("|", r"\|").split())),
        "data_url": data_url,
        "inline": inline_html,
        "line": lambda text: escape_markdown(" ".join(str(text).split())),
    }
    return environment


def inline_html(text: str) -> Markup:
    """Escape a text, then render its `code` and **bold**.

    >>> inline_html("`x` < **y**")
    Markup('<code>x</code> &lt; <strong>y</strong>')
    """
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", escaped))  # noqa: S704


def escape_markdown(value: object) -> Markup:
    """Escape tags, entities and links, which Markdown would pass on to HTML.

    >>> escape_markdown("a `b<c` <script>, R&D")
    Markup('a <code>b&lt;c</code> &lt;script>, R&D')
    """
    if isinstance(value, Markup):
        return value
    parts = _CODE.split(str(value))
    parts[::2] = [_escape_text(part) for part in parts[::2]]
    parts[1::2] = [_escape_code(part) for part in parts[1::2]]
    return Markup("".join(parts))  # noqa: S704


def _escape_text(text: str) -> str:
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    return text.replace("<", "&lt;").replace("](", r"]\(")


def _escape_code(span: str) -> str:
    # Entities mean nothing inside backticks; inside <code>, links still work.
    return f"<code>{_escape_text(span[1:-1])}</code>" if "<" in span else span


def data_url(path: Path) -> str:
    """A PNG as a URL that contains it."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
