"""What if: the nearest row, mistakes, dependence, drift, and a second model beside the first."""

import copy
import dataclasses
import json

import pandas as pd
import torch
from exhibits import image_exhibit, table_exhibit, write_page

from layerline.explorer.find_model import find_exhibit


def test_what_if_names_columns_that_matter_and_slices(made, browse, tmp_path) -> None:
    for name in ("classes", "numbers"):
        checkout = made(name)
        page = write_page(find_exhibit(checkout.workspace, checkout.params, None), tmp_path)
        cards = """document.getElementById('tab-whatif').click(),
          [...document.querySelectorAll('#whatif section')].map((card) => card.innerText)"""
        (found,) = browse(page, cards)
        titles = [text.split("\n")[0] for text in found]
        assert titles[0] == "Nearest row with another answer"
        assert titles[3:] == ["Partial dependence", "Importance", "Slices"]
        first = found[4].split("\n")
        ranks = [first.index(column) for column in ("size", "count", "is wild")]
        assert max(ranks[:2]) < ranks[2]  # the target does not depend on it
        assert "clay" in found[5]


def test_what_drifted_is_shown_and_leads_to_its_partial_dependence(browse, tmp_path) -> None:
    columns = {
        name: {"role": "column", "drifted": name == "c", "effect": effect, "missing": [0.0, 0.25]}
        for name, effect in (("a", 0.01), ("b", 0.02), ("c", 0.4), ("d", 0.03))
    }
    file = tmp_path / "drift.json"
    content = {"title": "Drift of `x.csv`", "n_rows": 1000, "columns": columns}
    file.write_text(json.dumps(content))
    exhibit = table_exhibit(hidden=[6]).with_drift(file)
    card = """(document.getElementById('tab-whatif').click(),
      [...document.querySelectorAll('#whatif section')].map((one) => one.innerText)
        .find((text) => text.startsWith('Drift')))"""
    chosen = """([...document.querySelectorAll('#whatif td button.link')]
      .find((one) => one.innerText === 'c').click(),
      [...document.querySelectorAll('#whatif select')].map((one) => one.value))"""
    text, selected = browse(write_page(exhibit, tmp_path), card, chosen)
    assert "1 of 4 columns of 1,000 rows drifted" in text
    assert "0.0 % → 25.0 %" in text
    assert text.index("\nc") < text.index("\nb")
    assert selected[0] == "c"
    other = file.with_name("other.json")
    other.write_text(json.dumps({**content, "columns": {"e": columns["a"]}}))
    assert table_exhibit(hidden=[6]).with_drift(other).drift is None


def test_a_second_model_answers_beside_the_first(made, browse, tmp_path) -> None:
    checkout = made("classes")
    own = find_exhibit(checkout.workspace, checkout.params, None)
    other = dataclasses.replace(own.model, network=copy.deepcopy(own.model.network))
    with torch.no_grad():
        other.network.head.bias += torch.tensor([0.0, 3.0, 0.0])
    beside = own._replace(model=other, title="challenger")
    page = write_page(own.with_beside(beside), tmp_path)
    said, card = browse(
        page,
        "document.getElementById('prediction').lastChild.innerText",
        "document.getElementById('tab-whatif').click(),"
        "[...document.querySelectorAll('#whatif section')].at(-1).innerText",
    )
    sample = own.sample.thinned()
    predicted = [model.predict(sample.rows)["prediction"] for model in (own.model, other)]
    truth = pd.Series(own.model.about.classes)[sample.actual].to_numpy()
    both, first = (
        (predicted[0] == truth) & ok for ok in (predicted[1] == truth, predicted[1] != truth)
    )
    assert said.startswith(f"challenger: {predicted[1].iloc[0]} (")
    assert f"Both right: {both.sum()}; only this model: {first.sum()};" in card


def test_the_rest_of_the_rows_is_predicted_while_one_looks_on(browse, tmp_path) -> None:
    page = write_page(image_exhibit("cnn", (8, 8, 3), channels=[4, 5]), tmp_path)
    judged = """new Promise((done) => {
      document.getElementById('tab-whatif').click();
      const text = () => document.getElementById('whatif').innerText;
      const first = text();
      const look = () => text().includes('so far') ? setTimeout(look, 50) : done([first, text()]);
      look();
    })"""
    first, last = browse(page, judged)[0]
    assert "16 of 40 rows are predicted so far." in first
    assert "of 40 rows are wrong" in last
    assert "Partial dependence" not in last  # pixels alone say little
