"""The page as a file, without a browser."""

import dataclasses
import re

import pytest
import torch
from exhibits import image_exhibit, table_exhibit

from layerline.errors import ParamsError
from layerline.explorer.build_page import PAGE, SCRIPTS, build_page
from layerline.explorer.textbook import textbook_exhibit


def test_equal_models_give_equal_bytes() -> None:
    pages = [build_page(table_exhibit(hidden=[5])) for _ in range(2)]
    assert pages[0] == pages[1]


def test_the_textbook_has_seven_layers_without_biases_and_is_right() -> None:
    exhibit = textbook_exhibit()
    weights = list(exhibit.model.network.parameters())
    assert [weight.ndim for weight in weights] == [2] * 7
    predicted = exhibit.model.predict(exhibit.sample.rows)["prediction"]
    assert (predicted == exhibit.sample.actual).mean() > 0.9


def test_a_page_needs_no_network_and_has_no_import_left() -> None:
    page = build_page(table_exhibit(hidden=[5]))
    addresses = set(re.findall(r"\bhttps?://[^\s\"')]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nothing loads
    assert not re.findall(r"^(?:import|export) ", page, re.MULTILINE)


def test_every_script_is_listed_after_what_it_imports() -> None:
    assert set(SCRIPTS) == {path.name for path in PAGE.glob("*.js")}
    for place, name in enumerate(SCRIPTS):
        imported = re.findall(r'from "\./(\w+\.js)"', (PAGE / name).read_text(encoding="utf-8"))
        assert set(imported) <= set(SCRIPTS[:place]), name


def test_a_name_cannot_end_the_script_or_become_markup() -> None:
    exhibit = table_exhibit(names=("</script><b>", "b", "c", "d"), hidden=[5])
    page = build_page(exhibit._replace(title="<i>zoo</i>"))
    assert "</script><b>" not in page
    assert "<i>zoo" not in page


def test_a_wide_image_network_fits_into_five_megabytes() -> None:
    page = build_page(image_exhibit("mlp", hidden=[500, 300], n_rows=400))
    assert len(page.encode()) <= 5_000_000


def test_a_network_that_the_page_cannot_run_is_refused() -> None:
    exhibit = table_exhibit(hidden=[5])
    model = dataclasses.replace(exhibit.model, network=torch.nn.Bilinear(4, 4, 3))
    with pytest.raises(ParamsError, match=r"the explorer runs mlp, seven_layer, .* run Bilinear"):
        build_page(exhibit._replace(model=model))
