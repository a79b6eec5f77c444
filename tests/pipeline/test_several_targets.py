"""Several targets from `layerline init` to a served, exported and replaced model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from checkouts import Checkout, make_checkout
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score

import layerline
from layerline.model.load import load_bundle
from layerline.text import readable

NUMBERS, LABELS = ("price", "rent"), ("heated", "sold")


def flats(n: int = 600) -> pd.DataFrame:
    random = np.random.default_rng(0)
    area, city = random.uniform(30, 150, n).round(1), random.choice(["Bern", "Köln", "Rom"], n)
    rent = 300 + 9 * area + 120 * (city == "Bern") + random.normal(0, 40, n)
    return pd.DataFrame(
        {
            "area": np.where(np.arange(n) % 9 == 0, np.nan, area),
            "floor": random.integers(0, 7, n),
            "city": city,
            "price": (1e5 * (2 + area / 40 - (city == "Rom")) + random.normal(0, 2e4, n)).round(),
            "rent": rent.round(2),
            "heated": np.where(area + random.normal(0, 20, n) > 80, "yes", "no"),
            "sold": ((city == "Rom") ^ (random.random(n) < 0.1)).astype(int),
        }
    )


def trained(root: Path, names: tuple[str, ...], others: tuple[str, ...]) -> Checkout:
    checkout = make_checkout(root)
    flats().drop(columns=list(others)).to_csv(checkout.root / "flats.csv", index=False)
    options = [word for name in names for word in ("--target", name)]
    checkout.run("layerline", "init", "flats.csv", *options, "--project", "flats")
    checkout.edit_params(
        train__epochs=25, train__members__count=2, train__folds=2, evaluate__bootstrap=200
    )
    checkout.edit_params(evaluate__slices=["city"], register__export=["onnx", "torch"])
    checkout.edit_params(evaluate__baselines=["majority", "linear", "gradient_boosting"])
    checkout.run("dvc", "repro")
    return checkout


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return trained(tmp_path_factory.mktemp("numbers") / "checkout", NUMBERS, LABELS)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return trained(tmp_path_factory.mktemp("labels") / "checkout", LABELS, NUMBERS)


def metrics_of(checkout: Checkout) -> dict[str, float]:
    found: dict[str, float] = json.loads((checkout.root / "reports/metrics.json").read_text())
    return found["test"]  # type: ignore[return-value]


def test_numbers_are_measured_each_and_together(numbers: Checkout) -> None:
    found = metrics_of(numbers)
    rows = pd.read_parquet(numbers.root / "reports" / "predictions.parquet")
    for name in NUMBERS:
        actual, predicted = rows[f"actual_{name}"], rows[f"prediction_{name}"]
        assert found[f"mae.{name}"] == pytest.approx(mean_absolute_error(actual, predicted))
        assert found[f"r2.{name}"] == pytest.approx(r2_score(actual, predicted))
        assert found[f"r2.{name}"] > 0.8
    for metric in ("rmse", "mae", "r2"):
        each = [found[f"{metric}.{name}"] for name in NUMBERS]
        assert found[metric] == pytest.approx(np.mean(each))
    actual = rows[[f"actual_{name}" for name in NUMBERS]].to_numpy()
    gaps = np.abs(actual[:, None] - flats()[list(NUMBERS)].to_numpy()).max(axis=2).min(axis=1)
    assert gaps.max() < 0.1  # each is a row of the table, in the user's own units


def test_labels_are_measured_each_and_together(labels: Checkout) -> None:
    found = metrics_of(labels)
    rows = pd.read_parquet(labels.root / "reports" / "predictions.parquet")
    for name, positive in zip(LABELS, ("yes", 1), strict=True):
        is_so, share = rows[f"actual_{name}"] == positive, rows[f"probability_{name}"]
        assert found[f"roc_auc.{name}"] == pytest.approx(roc_auc_score(is_so, share))
        right = (rows[f"prediction_{name}"] == rows[f"actual_{name}"]).mean()
        assert found[f"accuracy.{name}"] == pytest.approx(right)
        assert ((share >= 0.5) == (rows[f"prediction_{name}"] == positive)).all()
        assert found[f"roc_auc.{name}"] > 0.8
    each = [found[f"log_loss.{name}"] for name in LABELS]
    assert found["log_loss"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize("kind", ["numbers", "labels"])
def test_results_and_the_card_show_each_target(kind: str, request: pytest.FixtureRequest) -> None:
    checkout: Checkout = request.getfixturevalue(kind)
    names = NUMBERS if kind == "numbers" else LABELS
    shown = checkout.run("layerline", "results")
    main = "r2" if kind == "numbers" else "log_loss"
    for name in (main, *(f"{main}.{name}" for name in names)):
        assert f"{name} " in shown
    card = (checkout.root / "reports" / "model_card.md").read_text()
    assert all(f"target `{name}`" in card for name in names)
    assert "city = Bern" in card
    evaluation = json.loads((checkout.root / "reports" / "evaluation.json").read_text())
    assert set(evaluation["baselines"]) == {"majority", "linear", "gradient_boosting"}
    figures = {name: found[main] for name, found in evaluation["baselines"].items()}
    best = (max if kind == "numbers" else min)(figures, key=lambda name: figures[name])
    assert f"that of the best baseline ({best}) {readable(figures[best])}" in evaluation["worth"]
    own = readable(metrics_of(checkout)[main])
    assert f"its test {main} is {own}" in evaluation["worth"]
    assert {f"{main}.{name}" for name in names} <= set(evaluation["intervals"])
    verdict = json.loads((checkout.root / "reports" / "registration.json").read_text())
    assert verdict["promoted"]
    assert verdict["metric"] == main
    checkout.run("layerline", "verify")


@pytest.mark.parametrize("kind", ["numbers", "labels"])
def test_file_python_server_and_exports_predict_the_same(
    kind: str, request: pytest.FixtureRequest
) -> None:
    checkout: Checkout = request.getfixturevalue(kind)
    names = NUMBERS if kind == "numbers" else LABELS
    checkout.run("layerline", "predict", "flats.csv", "out.csv")
    written = pd.read_csv(checkout.root / "out.csv")
    model = layerline.load(checkout.root)
    assert model.targets == names
    rows = pd.read_csv(checkout.root / "flats.csv")
    table = model.predict_frame(rows)
    pd.testing.assert_frame_equal(written[list(table)], table, check_dtype=False)
    assert model.predict(rows).shape == (600, 2)
    shares = [] if kind == "numbers" else [f"probability_{name}" for name in names]
    assert list(table) == [f"prediction_{name}" for name in names] + shares
    if shares:
        assert (model.predict_proba(rows) == table[shares].to_numpy()).all()
    exports = sorted(checkout.root.glob("mlartifacts/**/exports/model.pt2"))
    folder = exports[0].parent
    assert (folder / "model.onnx").is_file()
    described = json.loads((folder / "columns.json").read_text())
    assert [target["name"] for target in described["targets"]] == list(names)
    found = torch.export.load(exports[0]).module()
    assert found is not None
    checkout.run("layerline", "export", "models:/flats@champion", "exports")
    served = served_rows(checkout, rows.head(20))
    for at, row in enumerate(served):
        assert list(row) == list(table)
        for name, value in row.items():
            expected = table[name].iloc[at]
            is_word = isinstance(value, str)
            assert value == (expected if is_word else pytest.approx(expected, rel=1e-5))


def served_rows(checkout: Checkout, rows: pd.DataFrame) -> list[dict[str, object]]:
    from layerline.serving.request_handler import COMPILED, RequestHandler

    (bundle,) = sorted(checkout.root.glob("mlartifacts/**/artifacts/bundle"))[:1]
    handler = RequestHandler(load_bundle(bundle))
    assert handler.way == COMPILED
    body = rows.to_json(orient="records").encode()
    return handler.handle("application/json", body).predicted.rows()


def test_what_shows_one_target_says_so(numbers: Checkout) -> None:
    shown = numbers.run("layerline", "explore", "--no-browser", code=3)
    assert "the explorer shows one target, and this model predicts several: price, rent" in shown
    refused = numbers.run("layerline", "backtest", "--by", "floor", "--every", "value", code=2)
    assert "fetch.target: names several, and a backtest judges one" in refused
    text = (numbers.root / "params.yaml").read_text()
    numbers.edit_params(fetch__target=["price", "city"], fetch__task="auto")
    assert "'city' is multiclass" in numbers.stage("fetch", code=3)
    numbers.edit_params(evaluate__conformal=0.9)
    message = "evaluate.conformal: conformal regions are of one, and fetch.target names several"
    assert message in numbers.stage("fetch", code=2)
    (numbers.root / "params.yaml").write_text(text)


def test_a_worse_model_does_not_replace_the_champion_and_a_better_one_does(
    numbers: Checkout,
) -> None:
    numbers.edit_params(train__epochs=1, register__export=[])
    numbers.run("dvc", "repro")
    path = numbers.root / "reports" / "registration.json"
    verdict = json.loads(path.read_text())
    assert not verdict["promoted"]
    assert "not reliably better" in verdict["reason"]
    assert verdict["gain_upper"] < 0
    assert verdict["champion_version"] == 1
    numbers.run("layerline", "promote", str(verdict["version"]))
    numbers.edit_params(train__epochs=26)
    assert "promoted" in numbers.run("layerline", "retrain")
    assert json.loads(path.read_text())["promoted"]
    drift = json.loads(numbers.run("layerline", "drift", "flats.csv", "--json"))
    assert set(drift["columns"]) == {"area", "floor", "city"}
    assert not drift["drifted"]
