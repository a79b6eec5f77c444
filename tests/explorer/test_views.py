"""Every view of the page in a real browser: what a click or a key changes, and what it says."""

import copy
import dataclasses
import json
import re

import pandas as pd
import pytest
import torch
from exhibits import image_exhibit, table_exhibit

from layerline.explorer.build_page import build_page
from layerline.explorer.find_model import find_exhibit
from layerline.explorer.model_home import Home
from layerline.rendering.report_blocks import Heading, Paragraph
from layerline.rendering.templates import render_html

VIEWS = ("forward", "backward", "whatif", "playground")
# Whatever can be focused has a name; an id is used once.
NAMELESS = """
[...document.querySelectorAll('button, input, select, textarea, canvas[tabindex], [role=img]')]
  .filter((node) => !(node.textContent.trim() || node.title || node.getAttribute('aria-label')
    || node.closest('label')?.textContent.trim())).map((node) => node.outerHTML)
"""
OPEN = "document.getElementById('tab-{0}').click(), document.getElementById('{0}').innerText"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
EXHIBITS = {
    "table": lambda: table_exhibit(hidden=[6, 5]),
    "residual": lambda: table_exhibit(hidden=[6, 6], residual=True, norm="layer"),
    "ensemble": lambda: table_exhibit("ensemble", member_options={"hidden": [5]}, members=3),
    "mlp of images": lambda: image_exhibit("mlp", (8, 8), hidden=[12]),
    "cnn": lambda: image_exhibit("cnn", (8, 8, 3), channels=[4, 5]),
    "conv1x1_mlp": lambda: image_exhibit("conv1x1_mlp", (8, 8), channels=[3], hidden=[6]),
    "rnn": lambda: image_exhibit("rnn", (8, 8), hidden=6),
}


def written(exhibit, folder):
    path = folder / "page.html"
    path.write_text(build_page(exhibit), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", EXHIBITS)
def test_every_view_opens_without_an_error_and_names_its_controls(name, browse, tmp_path) -> None:
    scripts = [script for view in VIEWS for script in (OPEN.format(view), NAMELESS, WIDER)]
    found = browse(written(EXHIBITS[name](), tmp_path), *scripts, size=(390, 800))
    texts, nameless, wider = found[::3], found[1::3], found[2::3]
    assert nameless == [[]] * len(VIEWS)
    assert max(wider) <= 0  # nothing is cut on a phone
    assert "Gradients" in texts[1]
    assert "Nearest row" in texts[2]
    assert "Feature scaling" in texts[3]


def test_what_if_names_columns_that_matter_and_slices(made, browse, tmp_path) -> None:
    for name in ("classes", "numbers"):
        checkout = made(name)
        page = written(find_exhibit(checkout.workspace, checkout.params, None), tmp_path)
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
    text, selected = browse(written(exhibit, tmp_path), card, chosen)
    assert "1 of 4 columns of 1,000 rows drifted" in text
    assert "0.0 % → 25.0 %" in text
    assert text.index("\nc") < text.index("\nb")
    assert selected[0] == "c"
    other = file.with_name("other.json")
    other.write_text(json.dumps({**content, "columns": {"e": columns["a"]}}))
    assert table_exhibit(hidden=[6]).with_drift(other).drift is None


def test_the_model_card_of_the_training_is_a_view(browse, tmp_path) -> None:
    exhibit = table_exhibit(hidden=[6])
    tabs = "[...document.querySelectorAll('[role=tab]')].filter((t) => !t.hidden).map((t) => t.id)"
    assert browse(written(exhibit, tmp_path), tabs) == [[f"tab-{view}" for view in VIEWS]]
    card = render_html("zoo", [Heading("Metrics", 2), *[Paragraph("</script>& more.")] * 40])
    opened = """(document.getElementById('tab-card').click(), new Promise((done) => {
      const frame = document.querySelector('#card iframe');
      frame.addEventListener('load', () => setTimeout(() => done([
        frame.contentDocument.querySelector('h2').innerText,
        frame.clientHeight >= frame.contentDocument.documentElement.scrollHeight,
        document.getElementById('panel').hidden])));
    }))"""
    page = written(exhibit._replace(home=Home(tmp_path, card=card)), tmp_path)
    assert browse(page, tabs, opened) == [
        [f"tab-{view}" for view in (*VIEWS, "card")],
        ["Metrics", True, True],
    ]


def test_arrow_keys_go_from_tab_to_tab(browse, tmp_path) -> None:
    keys = """['ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft'].map((key) => {
      const tab = document.querySelector('[role=tab][aria-selected=true]');
      tab.focus();
      tab.dispatchEvent(new KeyboardEvent('keydown', {key}));
      const {id} = document.activeElement, shown = document.body.dataset.view;
      return [id, shown, [...document.querySelectorAll('[role=tab]')]
        .filter((one) => one.tabIndex === 0 && !one.hidden).length];
    })"""
    (visited,) = browse(written(table_exhibit(hidden=[4]), tmp_path), keys)
    order = ["backward", "whatif", "backward", "forward", "playground"]
    assert visited == [[f"tab-{view}", view, 1] for view in order]


def test_a_second_model_answers_beside_the_first(made, browse, tmp_path) -> None:
    checkout = made("classes")
    own = find_exhibit(checkout.workspace, checkout.params, None)
    other = dataclasses.replace(own.model, network=copy.deepcopy(own.model.network))
    with torch.no_grad():
        other.network.head.bias += torch.tensor([0.0, 3.0, 0.0])
    beside = own._replace(model=other, title="challenger")
    page = written(own.with_beside(beside), tmp_path)
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


def test_a_tweak_runs_the_whole_network_again(browse, tmp_path) -> None:
    page = written(table_exhibit(hidden=[6, 5], norm="none"), tmp_path)
    zoom = "Object.assign(explorer.session, {layer: 1, unit: 2}), explorer.session.run()"
    outputs = "Array.from(explorer.session.outputs)"
    tweak = """(() => {
      const field = document.querySelector('#zoom .slider input[type=number]');
      field.value = '3'; field.dispatchEvent(new Event('change'));
      return [explorer.session.layers[0].bias[2], document.getElementById('restore').disabled];
    })()"""
    sigmoid = """(() => {
      const list = [...document.querySelectorAll('#zoom select')].at(-1);
      list.focus(); list.value = 'sigmoid'; list.dispatchEvent(new Event('change'));
      return [document.getElementById('formula').innerText, document.activeElement.tagName];
    })()"""
    restore = "document.getElementById('restore').click()"
    first, _, (bias, is_disabled), second, (formula, focused), third, _, last = browse(
        page, outputs, zoom, tweak, outputs, sigmoid, outputs, restore, outputs
    )
    assert bias == 3
    assert not is_disabled
    assert first != second != third
    assert "1 / (1 + e" in formula
    assert focused == "SELECT"
    assert last == first


def test_a_channel_of_a_convolution_has_its_formula_and_weights_to_change(browse, tmp_path) -> None:
    page = written(EXHIBITS["cnn"](), tmp_path)
    zoom = """(() => {
      Object.assign(explorer.session, {layer: 2, unit: 3}); explorer.session.run();
      const {layer, z, activated} = explorer.session.steps[1], area = layer.size[0] * layer.size[1];
      const own = activated.subarray(3 * area, 4 * area), largest = Math.max(...own);
      const formula = document.querySelector('#formula .formula').innerText.split('\\n');
      return [formula, largest, z[3 * area + own.indexOf(largest)]];
    })()"""
    tweak = """(() => {
      const before = Array.from(explorer.session.outputs);
      const field = document.querySelector('#zoom td input');
      field.value = '5'; field.dispatchEvent(new Event('change'));
      return [explorer.session.layers[1].weight.includes(5),
        explorer.session.outputs.some((value, place) => value !== before[place])];
    })()"""
    ((formula, largest, z), changed) = browse(page, zoom, tweak)
    terms = formula[1].removeprefix("z = ").rpartition(" = ")[0]
    python = re.sub(r" of \d+ more", "", terms).replace("·", "*").replace("−", "-")
    assert eval(python) == pytest.approx(z, rel=0.01, abs=0.01)
    given = float(formula[-1].rpartition(" = ")[2].replace("−", "-"))
    assert given == pytest.approx(largest, rel=1e-3)
    assert changed == [True, True]


def test_inputs_are_changed_by_fields_by_pasting_and_by_keys(made, browse, tmp_path) -> None:
    checkout = made("classes")
    page = written(find_exhibit(checkout.workspace, checkout.params, None), tmp_path)
    paste = """(() => {
      const area = document.querySelector('#inputs textarea');
      area.value = '{0}'; area.nextSibling.click();
      const said = document.querySelector('#inputs [role=status]').textContent;
      return [said, {...explorer.session.values}, explorer.session.isChanged];
    })()"""
    keys = """(() => {
      const canvas = document.getElementById('network');
      for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'Enter']) {
        canvas.dispatchEvent(new KeyboardEvent('keydown', {key}));
      }
      return document.querySelector('#zoom h3').innerText;
    })()"""
    wrong, right, title = browse(
        page,
        paste.replace("{0}", '{"size": "x"}'),
        paste.replace("{0}", '{"size": 7.5, "soil": null, "count": 4}'),
        keys,
    )
    assert wrong[0] == "size: x is no number"
    assert right[1]["size"] == 7.5
    assert right[1]["soil"] is None
    assert right[2]
    assert title == "Layer 1, unit 2"


def test_steps_lower_the_loss_and_the_playground_learns(browse, tmp_path) -> None:
    page = written(table_exhibit(hidden=[6, 5]), tmp_path)
    steps = """(() => {
      document.getElementById('tab-backward').click();
      const rate = [...document.querySelectorAll('#backward select')].at(-1);
      rate.value = '0.1'; rate.dispatchEvent(new Event('change'));
      return Array.from({length: 5}, () => {
        document.querySelector('#backward .primary').click();
        return document.querySelector('#backward .big').innerText;
      });
    })()"""
    learn = """(() => {
      document.getElementById('tab-playground').click();
      const units = document.getElementById('units');
      const places = (units.clientWidth / 3) * devicePixelRatio;
      const copy = new OffscreenCanvas(units.width, units.height);
      const pixels = copy.getContext('2d', {willReadFrequently: true});
      pixels.drawImage(units, 0, 0);
      const seen = () => [0, 1, 2].map((level) => pixels.getImageData(
        level * places + 5, 0, 20, units.height).data.filter((part) => part > 0).length);
      const first = [seen(), units.toDataURL()];
      const one = [...document.querySelectorAll('#playground button')]
        .find((button) => button.textContent === 'One epoch');
      for (let epoch = 0; epoch < 30; epoch++) one.click();
      return [document.getElementById('learnt').innerText, first[0],
        first[1] !== units.toDataURL(), document.getElementById('curves').innerText];
    })()"""
    losses, (learnt, drawn, is_new, curves) = browse(page, steps, learn)
    ends = [float(text.rpartition("→")[2].replace("−", "-")) for text in losses]
    assert ends == sorted(ends, reverse=True)
    assert "epoch 30 of 300" in learnt
    assert float(learnt.split(", ")[-1].split(" ")[0]) > 80
    assert min(drawn[1:]) > drawn[0] > 0  # two inputs, then two layers of eight units
    assert is_new
    assert "Loss by epoch" in curves
    assert "100" in curves  # a tick


def test_the_rest_of_the_rows_is_predicted_while_one_looks_on(browse, tmp_path) -> None:
    page = written(EXHIBITS["cnn"](), tmp_path)
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


def test_the_playground_takes_the_two_columns_that_tell_most(browse, tmp_path) -> None:
    exhibit = table_exhibit(hidden=[6], n_rows=60)
    rows = exhibit.sample.rows.assign(a=1.0)  # a constant tells nothing
    rows["c"] += 3 * (exhibit.sample.actual == 1)
    rows["d"] += 2 * (exhibit.sample.actual == 1)
    sample = dataclasses.replace(exhibit.sample, rows=rows)
    own = """(() => {
      document.getElementById('tab-playground').click();
      const [problem, ...lists] = document.querySelectorAll('#playground select');
      problem.value = 'own'; problem.dispatchEvent(new Event('change'));
      const chosen = lists.slice(0, 2).map((list) => list.value);
      lists[0].value = 'a'; lists[0].dispatchEvent(new Event('change'));
      const one = [...document.querySelectorAll('#playground button')]
        .find((button) => button.textContent === 'One epoch');
      one.click();
      return [chosen, document.getElementById('learnt').innerText];
    })()"""
    ((chosen, learnt),) = browse(written(exhibit._replace(sample=sample), tmp_path), own)
    assert chosen == ["c", "d"]
    assert "epoch 1 of" in learnt
    assert "NaN" not in learnt
