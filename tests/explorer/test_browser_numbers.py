"""What the page computes, in a real browser, against NumPy and torch in float64."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from exhibits import shake, table_exhibit
from registered import COLUMNS, flowers

from layerline.config import ScaleSection
from layerline.evaluation.decision import Decision
from layerline.explorer.build_page import build_page
from layerline.explorer.find_model import find_exhibit
from layerline.explorer.network_layers import members_of
from layerline.explorer.page_data import averaging, to_plain
from layerline.explorer.sample_rows import columns_of
from layerline.model.predictor import Model
from layerline.networks import build_network
from layerline.networks.activations import ACTIVATIONS
from layerline.networks.trace import trace
from layerline.scaling.preprocessing.fit_preprocessor import fit_preprocessor
from layerline.scaling.preprocessing.target_transforms import NO_CURVE, TargetCurve
from layerline.training.objectives import Link

N_ROWS = 4
PIECES = {"name": "piecewise_linear", "bins": 5, "width": 3}
OWN_PIECES = {"name": "piecewise_linear", "bins": 5, "width": 3, "edges": "quantile"}
WAVES = {"name": "periodic", "frequencies": 4, "width": 3, "frequency_scale": 0.5}
TABLES = {
    **{f"mlp {name}": {"hidden": [9, 7], "activation": name} for name in ACTIVATIONS},
    "mlp layer norm": {"hidden": [9, 7], "norm": "layer"},
    "mlp no norm, no bias": {"hidden": [9, 7], "norm": "none", "bias": False},
    "mlp residual": {"hidden": [9, 9, 7], "residual": True, "norm": "layer", "activation": "gelu"},
    "mlp pieces": {"hidden": [9], "numeric_embeddings": PIECES},
    "mlp own pieces": {"hidden": [9], "numeric_embeddings": OWN_PIECES},
    "mlp waves": {"hidden": [9], "numeric_embeddings": WAVES},
    "seven_layer": {"hidden": [9, 8, 7, 6, 5, 4]},
    "ensemble": {"member_options": {"hidden": [6]}, "members": 3, "weights": [1, 2, 0.5]},
    "ensemble of probabilities": {
        "member_options": {"hidden": [6]}, "members": 2, "mean": "probabilities",
    },
}  # fmt: skip
IMAGES = {
    "conv1x1_mlp": {"channels": [4, 3], "hidden": [6, 5], "norm": "batch"},
    "cnn": {"channels": [3, 4], "convs_per_block": 2, "activation": "silu"},
    **{
        f"rnn {cell}": {"cell": cell, "hidden": 5, "layers": 2, "readout": readout}
        for cell, readout in (("gru", "max"), ("lstm", "last"), ("plain", "mean"))
    },
}
RUN = """
(({members, rows, shape, about, targets}) => {
  const {arithmetic, network, gradients, losses, prediction} = explorer.modules;
  const all = arithmetic.decodeArrays(members);
  all.forEach((layers) => network.measureLayers(layers, shape));
  return rows.map((row, place) => {
    const steps = all.map((layers) => network.forward(layers, Float64Array.from(row)));
    const outputs = steps.map((own) => own.at(-1).output);
    const mean = prediction.averaged(outputs, about.mean, about.weights);
    const {gradient} = losses.lossOf(outputs[0], targets[place], {classes: [0, 1, 2]});
    const back = gradients.backward(steps[0], gradient);
    const found = all[0].flatMap((layer, at) => gradients.learnt(layer, back[at])
      .map(([weights, g]) => [Array.from(weights).slice(0, 3), Array.from(g)]));
    const hidden = steps[0].map((step) => Array.from(step.activated ?? []));
    return {mean: Array.from(mean), hidden, found};
  });
})({0})
"""


@pytest.fixture(scope="module")
def any_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(build_page(table_exhibit(hidden=[4])), encoding="utf-8")
    return path


def networks():
    """Each network with rows for it."""
    torch.manual_seed(3)
    for name, options in TABLES.items():
        network = build_network(name.split()[0], options, input_shape=(6,), d_out=3)
        x = torch.randn(N_ROWS, 6)
        for module in network.modules():
            if hasattr(module, "has_own_edges"):
                module.fit(torch.randint(0, 9, (50, 6)).float() / 3 - 1)
        yield name, shake(network), x
    codes = torch.randint(0, 3, (N_ROWS, 2)).float()
    mixed = build_network(
        "mlp", {"hidden": [7], "numeric_embeddings": PIECES}, input_shape=(6,), d_out=3,
        category_sizes=(3, 4),
    )  # fmt: skip
    yield "mlp with categories", shake(mixed), torch.cat([torch.randn(N_ROWS, 4), codes], 1)
    for name, options in IMAGES.items():
        network = build_network(name.split()[0], options, input_shape=(2, 8, 6), d_out=3)
        yield name, shake(network), torch.randn(N_ROWS, 2, 8, 6)


def script_of(network, x):
    given = {
        "members": to_plain(members_of(network)),
        "rows": x.flatten(1).tolist(),
        "shape": [2, 8, 6],
        "about": averaging(network),
        "targets": [place % 3 for place in range(len(x))],
    }
    return RUN.replace("{0}", json.dumps(given))


def gradients_of(network, row, target):
    """By the sum and size of the gradient of each parameter, whatever its layout."""
    network.zero_grad()
    loss = torch.nn.functional.cross_entropy(network(row), torch.tensor([target]))
    loss.backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    return sorted((g.numel(), float(g.abs().sum())) for g in grads)


def test_outputs_layers_and_gradients_equal_float64(browse, any_page) -> None:
    cases = list(networks())
    answers = browse(any_page, *(script_of(network, x) for _, network, x in cases))
    for (name, network, x), rows in zip(cases, answers, strict=True):
        exact = network.double()
        outputs = exact(x.double()).detach().numpy()
        found = np.array([row["mean"] for row in rows])
        np.testing.assert_allclose(found, outputs, rtol=1e-9, atol=1e-12, err_msg=name)
        if name.startswith(("mlp", "seven")) and "residual" not in name:
            traced = [layer.activation.numpy() for layer in trace(exact, x.double())]
            for place, layer in enumerate(traced):
                shown = np.array([row["hidden"][place - len(traced)] for row in rows])
                np.testing.assert_allclose(shown, layer, rtol=1e-9, atol=1e-12, err_msg=name)
        for place, row in enumerate(rows):
            member = exact.members[0] if name.startswith("ensemble") else exact
            expected = gradients_of(member, x[place : place + 1].double(), place % 3)
            sums = sorted((len(g), float(np.abs(g).sum())) for _, g in row["found"])
            assert [n for n, _ in sums] == [n for n, _ in expected], name
            np.testing.assert_allclose(sums, expected, rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", ["classes", "numbers", "images"])
def test_predictions_are_those_of_the_model(name, made, browse, tmp_path) -> None:
    checkout = made(name)
    exhibit = find_exhibit(checkout.workspace, checkout.params, None)
    page = tmp_path / "page.html"
    page.write_text(build_page(exhibit), encoding="utf-8")
    script = """explorer.session.about.rows.actual.map((_, place) => {
      const {session, modules} = explorer, values = session.rowAt(place);
      const decision = modules.prediction.decide(session.outputsOf(values), session.about);
      const {about} = session, truth = about.rows.actual[place];
      return {...decision, probabilities: Array.from(decision.probabilities ?? []),
        x: Array.from(modules.inputs.features(values, about.preprocessor)),
        target: about.classes ? truth : modules.inputs.standardTarget(truth, about.preprocessor)};
    })"""
    (rows,) = browse(page, script)
    sample, model = exhibit.sample.thinned(), exhibit.model
    places = range(len(sample.rows))
    thin = exhibit._replace(sample=sample)
    x = np.array([row["x"] for row in rows])
    np.testing.assert_allclose(x, thin.features(places).reshape(len(rows), -1), rtol=1e-6)
    targets = thin.targets(places).numpy()
    np.testing.assert_allclose([row["target"] for row in rows], targets, rtol=1e-5)
    predicted = model.predict(sample.rows)
    if name == "numbers":
        numbers = [row["number"] for row in rows]
        np.testing.assert_allclose(numbers, predicted["prediction"], rtol=1e-5)
        return
    shown = np.array([row["probabilities"] for row in rows])
    np.testing.assert_allclose(shown, predicted.iloc[:, 1:], rtol=1e-4, atol=1e-6)
    classes = [model.about.classes[row["chosen"]] for row in rows]
    assert classes == predicted["prediction"].tolist()


SECTIONS = [
    ScaleSection(numeric=numeric, dates=dates, categorical=categorical)
    for numeric, dates, categorical in (
        ("robust_clip", "parts", "one_hot"),
        ("power", "cyclic", "target"),
        ("quantile", "calendar", "embedding"),
        ("minmax", "days", "one_hot"),
        ("standard", "days", "one_hot_target"),
    )
]
FEATURES = """
(({fitted, rows}) => {
  const {features} = explorer.modules.inputs;
  return rows.map((row) => Array.from(features(row, fitted)));
})({0})
"""


def test_scalers_dates_and_encodings_equal_the_preprocessor(browse, any_page) -> None:
    frame = flowers()
    frame["planted"] += pd.to_timedelta(np.arange(len(frame)) * 11.7, unit="h").astype(
        "timedelta64[us]"
    )
    fits, scripts = [], []
    for section in SECTIONS:
        fitted = fit_preprocessor(
            frame, COLUMNS, section, target="kind", task="multiclass",
            classes=("daisy", "rose", "tulip"),
        )  # fmt: skip
        model = dataclasses.replace(table_exhibit().model, preprocessor=fitted)
        about = dataclasses.replace(model.about, columns=COLUMNS)
        columns = columns_of(dataclasses.replace(model, about=about), frame[:40])
        rows = [{c["name"]: c["values"][place] for c in columns} for place in range(40)]
        given = json.dumps({"fitted": to_plain(fitted.to_json()), "rows": rows})
        scripts.append(FEATURES.replace("{0}", given))
        fits.append(fitted)
    for fitted, found in zip(fits, browse(any_page, *scripts), strict=True):
        np.testing.assert_allclose(found, fitted.transform(frame[:40]), rtol=1e-6, atol=1e-9)


RANKS = tuple(float(x) for x in np.sort(np.random.default_rng(5).gamma(2, 3, 60)))
DECODED = {
    "a number": (Link(), NO_CURVE),
    "a logarithm": (Link(), TargetCurve("log", offset=1.0)),
    "a rank, clamped": (Link(), TargetCurve("quantile", 0.0, RANKS, lowest=1.0, highest=9.0)),
    "a count": (Link("log", factor=1.5, shift=-2.0), NO_CURVE),
    "quantiles": (Link("quantile", levels=(0.1, 0.5, 0.9)), NO_CURVE),
}
DEAR = Decision(0.8, costs=((0.0, 1.0), (4.0, 0.0)))
DECISIONS = [Decision(), Decision(1.7), Decision(0.6, 0.2, 0), Decision(1.0, 0.7, 1), DEAR]
DECIDE = """
(({about, outputs}) => outputs.map((row) => {
  const found = explorer.modules.prediction.decide(Float64Array.from(row), about);
  return [found.number ?? found.chosen, ...(found.probabilities ?? [])];
}))({0})
"""


def decide_script(model: Model, outputs: np.ndarray) -> str:
    decision = dataclasses.asdict(model.decision)
    about = {"classes": model.about.classes, "decision": decision, "link": model.link.to_json()}
    about["preprocessor"] = to_plain(model.preprocessor.to_json())
    return DECIDE.replace("{0}", json.dumps({"about": about, "outputs": outputs.tolist()}))


def test_outputs_become_numbers_and_classes_as_the_model_decodes_them(browse, any_page) -> None:
    model = table_exhibit(hidden=[4]).model
    outputs = np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32)
    models = []
    for link, curve in DECODED.values():
        fitted = dataclasses.replace(
            model.preprocessor,
            classes=None,
            target_center=2.0,
            target_scale=0.8,
            target_curve=curve,
        )
        about = dataclasses.replace(model.about, classes=None, levels=link.levels)
        models.append(dataclasses.replace(model, about=about, preprocessor=fitted, link=link))
    for decision in DECISIONS:
        about = dataclasses.replace(model.about, classes=("no", "yes"))
        models.append(dataclasses.replace(model, about=about, decision=decision))
    given = [outputs[:, : 2 if m.about.classes else max(1, len(m.link.levels))] for m in models]
    scripts = [decide_script(*pair) for pair in zip(models, given, strict=True)]
    for one, shown, found in zip(models, given, browse(any_page, *scripts), strict=True):
        expected = one.decode(shown)
        answers = np.array([row[0] for row in found])
        if one.about.classes is None:
            np.testing.assert_allclose(answers, expected["prediction"], rtol=1e-9)
            continue
        assert [one.about.classes[int(place)] for place in answers] == list(expected["prediction"])
        probabilities = np.array([row[1:] for row in found])
        np.testing.assert_allclose(probabilities, expected.iloc[:, 1:], rtol=1e-9)


SLOPES = """
(({about, target}) => {
  const {lossOf} = explorer.modules.losses, n = about.classes ? 3 : about.link.levels.length || 1;
  const outputs = Float64Array.from({length: n}, (_, place) => 0.3 - 0.4 * place), step = 1e-6;
  const {gradient} = lossOf(outputs, target, about);
  return Array.from(outputs, (_, place) => {
    const moved = (by) => outputs.map((value, at) => value + (at === place ? by : 0));
    const rise = lossOf(moved(step), target, about).loss - lossOf(moved(-step), target, about).loss;
    return [gradient[place], rise / (2 * step)];
  });
})({0})
"""


def test_each_loss_has_its_own_slope_as_gradient(browse, any_page) -> None:
    fitted = {"target_center": 2.0, "target_scale": 0.8}
    cases = [{"about": {"classes": ["a", "b", "c"]}, "target": 1}]
    for link, _ in DECODED.values():
        about = {"classes": None, "link": link.to_json(), "preprocessor": fitted}
        cases.append({"about": about, "target": 0.7})
    scripts = [SLOPES.replace("{0}", json.dumps(case)) for case in cases]
    for pairs in browse(any_page, *scripts):
        found, expected = np.array(pairs).T
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
