"""Blocks render alike in Markdown and HTML, and values from users' data never become markup."""

import re
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from layerline.rendering import report_blocks as kinds
from layerline.rendering.report_blocks import (
    Block,
    Code,
    Figures,
    Heading,
    Paragraph,
    Picture,
    Points,
    Table,
)
from layerline.rendering.templates import escape_markdown, render_html, render_markdown

HOSTILE = [
    "<script>alert(1)</script>",
    "`<script>`",
    "<SCRIPT src=//x>",
    "a\n<script>alert(1)</script>\n# title",
    "```\n<script>",
    "</style></pre><script>",
    "&lt;script&gt;<script>",
    "![x](javascript:alert(1))<script>",
    '"><script>',
    "a | `<script>|`",
]


def report(text: str, picture: Path) -> list[Block]:
    """Every kind of block, with one text in every place."""
    return [
        Heading(text, 1),
        Paragraph(text),
        Points([text, f"**{text}** and `{text}`"]),
        Table([text, "b"], [[text, f"`{text}`"], ["x", "y"]], marked=(0,)),
        Picture(picture, "plots/x.png", text),
        Code(text),
        Figures([(text, text, text)]),
    ]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG")
    return path


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]


def test_the_report_of_this_test_has_every_kind_of_block(picture: Path) -> None:
    known = {kind for kind in vars(kinds).values() if isinstance(kind, type)}
    known = {kind for kind in known if issubclass(kind, Block) and fields(kind)}
    assert {type(block) for block in report("x", picture)} == known


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_escaped_everywhere(text: str, picture: Path) -> None:
    found = report(text, picture)
    tags, plain = Tags(), Tags()
    page = render_html(text, found)
    tags.feed(page)
    plain.feed(render_html("x", report("x", picture)))
    without_code = [tag for tag in tags.found if tag not in ("code", "strong")]
    assert without_code == [tag for tag in plain.found if tag not in ("code", "strong")]
    for rendered in (page, render_markdown(found)):
        assert not re.search("<script", rendered, re.IGNORECASE)
        assert "&lt;" in rendered
    parsed = [block for block in found if not isinstance(block, Code)]
    assert "](javascript:" not in render_markdown(parsed)


@given(st.text(alphabet="<>&`*[](){}|\n\\\"'#!$%a;", max_size=40))
def test_no_tag_survives_in_markdown(text: str) -> None:
    rendered = render_markdown([Paragraph(text), Points([text]), Table([text], [[text]])])
    assert set(re.findall("<[^>]*>?", rendered)) <= {"<code>", "</code>"}


def test_markdown_keeps_one_line_a_row_and_cell_borders(picture: Path) -> None:
    text = render_markdown([Table(["a|b", "n"], [["x\ny", "1"], ["z|", "2"]])])
    assert text == "| a\\|b | n |\n| --- | ---: |\n| x y | 1 |\n| z\\| | 2 |\n"


def test_markdown_of_each_block(picture: Path) -> None:
    blocks = [
        Heading("Title", 1),
        Paragraph("It's **bold** & `code`."),
        Points(["one", "two"]),
        Picture(picture, "plots/x.png", "loss"),
        Code("a: 1\n\nb: it's"),
        Figures([("accuracy", "0.9", "95%: 0.8 to 1"), ("f1", "0.8", "none")]),
    ]
    assert render_markdown(blocks) == (
        "# Title\n\n"
        "It's **bold** & `code`.\n\n"
        "- one\n- two\n\n"
        "![loss](plots/x.png)\n\n"
        "```\na: 1\n\nb: it's\n```\n\n"
        "- **accuracy 0.9** (95%: 0.8 to 1)\n- **f1 0.8** (none)\n"
    )


def test_figures_stand_to_the_right_and_words_to_the_left() -> None:
    header = ["row", "verdict", "loss", "gain", "sha256"]
    rows = [["7", "better", "-0.1 to 2", "–", "`9f86`"], ["8", "worse", "0.3", "5.0% → 6.0%", ""]]
    table = Table(header, rows)
    assert table.figures == [False, False, True, True, False]
    assert "| --- | --- | ---: | ---: | --- |" in render_markdown([table])
    page = render_html("x", [table])
    assert page.count('<th class="n">') == 2
    assert '<td>better</td><td class="n">-0.1 to 2</td><td class="n">–</td>' in page


@pytest.mark.parametrize("width", [704, 1056])
def test_pictures_of_several_plots_scroll_where_they_would_be_too_small(width, tmp_path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGB", (width, 480)).save(path)
    page = render_html("x", [Picture(path, "x.png", "loss")])
    assert f'class="plot" alt="loss" width="{width}" height="480"' in page
    assert ('<figure class="panels" tabindex="0"' in page) == (width > 800)
    photo = render_html("x", [Picture(path, "x.png", "mistakes", is_plot=False)])
    assert '<img alt="mistakes"' in photo  # not inverted on a dark screen


def test_html_embeds_what_it_needs(picture: Path) -> None:
    page = render_html("A < B", report("x", picture))
    assert "<title>A &lt; B</title>" in page
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert "http" not in page
    assert not re.search(r"//[a-z]|@import|url\(", page)
    assert page == render_html("A < B", report("x", picture))


def test_text_without_markup_is_kept() -> None:
    for text in ("R&D", "a > b", "x[0] (1)", 'say "no"', "it's", "100 %"):
        assert str(escape_markdown(text)) == text
