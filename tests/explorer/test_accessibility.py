"""axe finds nothing serious on any kind of page, light and dark, wide and narrow.

Cards, comparisons, studies, drift and backtests are looked at by the tests that make them.
"""

from pathlib import Path

import pytest
from exhibits import image_exhibit, table_exhibit
from registered import flowers

from layerline.config import ValidateSection
from layerline.explorer.build_page import build_page
from layerline.rendering.report_blocks import (
    Code,
    Figures,
    Heading,
    Paragraph,
    Picture,
    Points,
    Table,
)
from layerline.rendering.templates import render_html
from layerline.validation.profile import profile
from layerline.validation.quarantine import validate
from layerline.validation.report.page import Evidence, validation_page
from layerline.validation.schema.infer import infer_schema

ROOT = Path(__file__).resolve().parents[2]
VIEWS = [
    *(f"document.getElementById('tab-{view}').click()" for view in ("forward", "backward")),
    *(f"document.getElementById('tab-{view}').click()" for view in ("whatif", "playground")),
    "document.getElementById('tab-forward').click(),"
    "Object.assign(explorer.session, {layer: 1, unit: 2}), explorer.session.run()",
]


def a_report() -> str:
    """Every kind of block, as cards, comparisons, studies, drift and backtests have them."""
    names = [f"a metric with a long name {place}" for place in range(20)]
    rows = [[f"{place}.123 (0.1 to 0.9)" for place in range(20)] for _ in range(3)]
    blocks = [
        Heading("A report", 1),
        Figures([("log loss", "0.123", "0.1 to 0.2"), ("rows", "1,234", "of the test")]),
        Paragraph("A sentence with `code` and **weight**."),
        Heading("A part", 2),
        Points(["one", "`two`"]),
        Table(names, rows, marked=(0,)),
        Picture(ROOT / "docs" / "images" / "run-metrics.png", "x.png", "Loss by epoch"),
        Code("key: value"),
    ]
    return render_html("A report", blocks)


def a_validation() -> str:
    """Columns of every kind, a target, and rows that were set aside."""
    frame = flowers(300)
    schema = infer_schema(frame, "kind", "multiclass")
    frame.loc[3, "count"] = 10_000
    found = validate(frame, schema, ValidateSection(on_bad_rows="quarantine", max_bad_fraction=0.5))
    about = profile(found.frame, schema.categories)
    return validation_page(Evidence(found.report, about, schema, found.quarantine))


PAGES = {
    "a report": (a_report, ["0"]),
    "a validation": (a_validation, ["0"]),
    "the explorer of a table": (lambda: build_page(table_exhibit(hidden=[6, 5])), VIEWS),
    "the explorer of images": (
        lambda: build_page(image_exhibit("cnn", (8, 8), channels=[4])),
        VIEWS[:3],
    ),
}


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(name: str, is_dark: bool, obstacles, tmp_path: Path) -> None:
    build, scripts = PAGES[name]
    path = tmp_path / "page.html"
    path.write_text(build(), encoding="utf-8")
    assert obstacles(path, scripts, is_dark) == []


# On a phone nothing but tables and pictures scrolls sideways, and no text is tiny.
PHONE = """[document.documentElement.scrollWidth - document.documentElement.clientWidth,
  [...document.querySelectorAll('body *')].filter((one) => one.offsetParent
    && [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    && parseFloat(getComputedStyle(one).fontSize) < 11).map((one) => one.outerHTML.slice(0, 90))]"""


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_a_page_without_scrolling_sideways_or_tiny_text(
    name: str, tab, tmp_path: Path
) -> None:
    runner, page = tab
    path = tmp_path / "page.html"
    path.write_text(PAGES[name][0](), encoding="utf-8")

    async def look() -> list[list[object]]:
        await page.open(path.as_uri(), 390, 844)
        await page.wait_for("document.readyState === 'complete'", 120)
        return [await page.run(f"({script}, {PHONE})") for script in PAGES[name][1]]

    assert runner.run(look()) == [[0, []]] * len(PAGES[name][1])


@pytest.mark.parametrize("name", PAGES)
def test_paper_is_white_whatever_the_screen_is(name: str, tab, tmp_path: Path) -> None:
    runner, page = tab
    path = tmp_path / "page.html"
    path.write_text(PAGES[name][0](), encoding="utf-8")
    ink = """[getComputedStyle(document.body).color,
      window.explorer?.modules.drawing.palette().ink ?? null]"""
    dark = {"name": "prefers-color-scheme", "value": "dark"}

    async def inks() -> list[list[str | None]]:
        await page.open(path.as_uri(), 800, 900, dark=True)
        await page.wait_for("document.readyState === 'complete'", 120)
        found = []
        for media in ("screen", "print"):
            await page.call("Emulation.setEmulatedMedia", media=media, features=[dark])
            found.append(await page.run(ink))
        await page.call("Emulation.setEmulatedMedia", media="", features=[])
        return found

    (screen, drawn), (paper, printed) = runner.run(inks())
    assert (screen, paper) == ("rgb(231, 234, 240)", "rgb(27, 31, 39)")
    assert (drawn, printed) in ((None, None), ("#e7eaf0", "#1b1f27"))
