"""Every view of the page in a real browser: what a click or a key changes, and what it says."""

import re

import pytest
from exhibits import image_exhibit, table_exhibit, write_page

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


@pytest.mark.parametrize("name", EXHIBITS)
def test_every_view_opens_without_an_error_and_names_its_controls(name, browse, tmp_path) -> None:
    scripts = [script for view in VIEWS for script in (OPEN.format(view), NAMELESS, WIDER)]
    found = browse(write_page(EXHIBITS[name](), tmp_path), *scripts, size=(390, 800))
    texts, nameless, wider = found[::3], found[1::3], found[2::3]
    assert nameless == [[]] * len(VIEWS)
    assert max(wider) <= 0  # nothing is cut on a phone
    assert "Gradients" in texts[1]
    assert "Nearest row" in texts[2]
    assert "Feature scaling" in texts[3]


def test_the_model_card_of_the_training_is_a_view(browse, tmp_path) -> None:
    exhibit = table_exhibit(hidden=[6])
    tabs = "[...document.querySelectorAll('[role=tab]')].filter((t) => !t.hidden).map((t) => t.id)"
    assert browse(write_page(exhibit, tmp_path), tabs) == [[f"tab-{view}" for view in VIEWS]]
    card = render_html("zoo", [Heading("Metrics", 2), *[Paragraph("</script>& more.")] * 40])
    opened = """(document.getElementById('tab-card').click(), new Promise((done) => {
      const frame = document.querySelector('#card iframe');
      frame.addEventListener('load', () => setTimeout(() => done([
        frame.contentDocument.querySelector('h2').innerText,
        frame.clientHeight >= frame.contentDocument.documentElement.scrollHeight,
        document.getElementById('panel').hidden])));
    }))"""
    page = write_page(exhibit._replace(home=Home(tmp_path, card=card)), tmp_path)
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
    (visited,) = browse(write_page(table_exhibit(hidden=[4]), tmp_path), keys)
    order = ["backward", "whatif", "backward", "forward", "playground"]
    assert visited == [[f"tab-{view}", view, 1] for view in order]


def test_the_row_is_folded_on_a_phone_and_open_beside_the_view(tab, tmp_path) -> None:
    runner, page = tab
    path = write_page(table_exhibit(hidden=[4]), tmp_path)

    async def seen() -> list[bool]:
        await page.open(path.as_uri(), 390, 844)
        await page.wait_for("window.explorer", 120)
        found = [await page.run("document.getElementById('rowcard').open")]
        size = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await page.call("Emulation.setDeviceMetricsOverride", **size)
        await page.wait_for("window.innerWidth === 1200", 120)
        await page.run("new Promise(requestAnimationFrame)")
        return [*found, await page.run("document.getElementById('rowcard').open")]

    assert runner.run(seen()) == [False, True]


def test_a_tweak_runs_the_whole_network_again(browse, tmp_path) -> None:
    page = write_page(table_exhibit(hidden=[6, 5], norm="none"), tmp_path)
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
    page = write_page(EXHIBITS["cnn"](), tmp_path)
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
    page = write_page(find_exhibit(checkout.workspace, checkout.params, None), tmp_path)
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
