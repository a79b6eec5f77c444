"""The page: nothing from the data becomes HTML, it needs no network, images can be read."""

import io
import re
from html.parser import HTMLParser
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from layerline.config import ValidateSection
from layerline.validation.profile import profile
from layerline.validation.quarantine import validate
from layerline.validation.report.image_samples import png, strip
from layerline.validation.report.labels import number, share
from layerline.validation.report.page import MAX_CARDS, Evidence, validation_page
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.infer import infer_schema

HOSTILE = '</style><script>alert(1)</script><img src=x onerror="alert(2)">'
SECTION = ValidateSection(on_bad_rows="quarantine", max_bad_fraction=0.5)


class Tags(HTMLParser):
    """Which tags and attributes a page has, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "img", "input", "br", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "rect"):
            assert self.open.pop() == tag


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def evidence(frame: pd.DataFrame, schema: TableSchema, **more: Any) -> Evidence:
    result = validate(frame, schema, SECTION)
    about = profile(result.frame, schema.categories)
    return Evidence(result.report, about, schema, result.quarantine, **more)


def test_hostile_names_and_values_stay_text(frame: pd.DataFrame) -> None:
    frame = frame.rename(columns={"income": HOSTILE, "kind": f"kind{HOSTILE}"})
    frame["city"] = frame["city"].replace("NA", HOSTILE).astype("str")
    schema = infer_schema(frame, f"kind{HOSTILE}", "multiclass")
    frame.loc[[2, 3], HOSTILE] = np.inf
    frame.loc[4, "city"] = f"new {HOSTILE}"
    frame.loc[[2, 5], "note"] = HOSTILE
    page = validation_page(evidence(frame, schema))
    tags = read(page)
    assert tags.tags.count("script") <= 1
    assert tags.tags.count("style") == 1
    assert "img" not in tags.tags
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)") > 5


def test_the_page_needs_nothing_else(frame: pd.DataFrame) -> None:
    page = validation_page(evidence(frame, infer_schema(frame, "kind", "multiclass")))
    assert not re.search(r"(?:https?:)?//[a-z]|@import|url\(", page)
    assert "Passed: every row conforms to the schema." in page
    assert "prefers-color-scheme: dark" in page
    assert page == validation_page(evidence(frame, infer_schema(frame, "kind", "multiclass")))


def test_what_was_found_is_on_the_page(frame: pd.DataFrame) -> None:
    schema = infer_schema(frame, "kind", "multiclass")
    frame.loc[6, "city"] = "Paris"
    frame["member"] = frame["kind"] == "a"
    page = validation_page(evidence(frame, schema))
    assert "Passed; 1 row moved to the quarantine." in page
    assert "city: value outside its levels" in page
    assert "<h2>Quarantine</h2>" in page
    assert '<article class="card has-error" data-name="city">' in page


def test_a_wide_table_is_a_page_too() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, MAX_CARDS + 30)))
    frame.columns = [f"x{i}" for i in range(MAX_CARDS + 30)]
    page = validation_page(evidence(frame, infer_schema(frame, "x0", "regression")))
    read(page)
    assert page.count("<article") == MAX_CARDS
    assert "30 more columns" in page


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 6, 3), (5, 8, 8, 1), (2, 300, 200, 3)])
def test_images_are_read_back(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    labels = pd.DataFrame({"y": ["a", "b"] * 10})
    found = evidence(labels, infer_schema(labels, "y", "binary"))
    page = validation_page(
        Evidence(found.report, found.profile, found.schema, found.aside, {"a": (10, images)})
    )
    assert f'src="{strip(images)}"' in page
    assert read(page).tags.count("img") == 1
    pixels = images[0] if images.ndim == 4 else images[0, :, :, None]
    decoded = matplotlib.image.imread(io.BytesIO(png(pixels)), format="png")
    back = (decoded * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(back.reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (12345.6, "12,346"), (0.00012346, "0.0001235"), (1e12, "1e+12"), (-0.5, "-0.5")],
)
def test_numbers_on_labels(value: float, text: str) -> None:
    assert number(value) == text


def test_shares_are_not_rounded_to_all_or_nothing() -> None:
    assert [share(n, 100_000) for n in (0, 3, 1234, 99_999, 100_000)] == [
        "0%",
        "<0.1%",
        "1.2%",
        ">99.9%",
        "100%",
    ]
