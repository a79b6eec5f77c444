"""Figures agree with scikit-learn's, intervals cover, plots are made and reproducible."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as reference

from layerline.evaluation import curves, plots
from layerline.evaluation.bootstrap import interval, metric_intervals, paired_gain
from layerline.evaluation.metrics import CLASSIFICATION, QUANTILES, REGRESSION, measure, table_of
from layerline.evaluation.model_card import describe_interval
from layerline.evaluation.predictions import Predictions, classify, softmax
from layerline.evaluation.resampling import Drawn, resample


def classes(
    n_classes: int = 4, n_rows: int = 300, skill: float = 1.5, seed: int = 0
) -> Predictions:
    generator = np.random.default_rng(seed)
    actual = generator.integers(n_classes, size=n_rows)
    logits = generator.normal(size=(n_rows, n_classes)) + skill * np.eye(n_classes)[actual]
    return classify(logits, actual)


def numbers(noise: float = 1.0, seed: int = 0) -> Predictions:
    generator = np.random.default_rng(seed)
    actual = generator.normal(50, 10, size=400)
    return Predictions(actual, actual + generator.normal(0, noise, size=400))


def reference_figures(p: Predictions) -> dict[str, float]:
    y, c, q = p.actual, p.predicted, p.probabilities
    if q is None:
        return {
            "rmse": reference.root_mean_squared_error(y, c),
            "mae": reference.mean_absolute_error(y, c),
            "r2": reference.r2_score(y, c),
            "median_error": reference.median_absolute_error(y, c),
            "mape": reference.mean_absolute_percentage_error(y, c),
        }
    two, labels = q.shape[1] == 2, list(range(q.shape[1]))
    one_hot = np.eye(q.shape[1])[y]
    return {
        "accuracy": reference.accuracy_score(y, c),
        "balanced_accuracy": reference.balanced_accuracy_score(y, c),
        "log_loss": reference.log_loss(y, q, labels=labels),
        "roc_auc": reference.roc_auc_score(y, q[:, 1] if two else q, multi_class="ovr"),
        "pr_auc": reference.average_precision_score(
            y if two else one_hot, q[:, 1] if two else q, average="macro"
        ),
        "f1_macro": reference.f1_score(y, c, average="macro"),
        "f1_weighted": reference.f1_score(y, c, average="weighted"),
        "mcc": reference.matthews_corrcoef(y, c),
        "brier": reference.brier_score_loss(y, q[:, 1] if two else q, labels=labels),
    }


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("ties", [False, True])
def test_classification_figures_are_scikit_learns(n_classes: int, ties: bool) -> None:
    p = classes(n_classes)
    if ties:
        assert p.probabilities is not None
        shares = np.round(p.probabilities, 1) + 1e-3
        p = dataclasses.replace(p, probabilities=shares / shares.sum(axis=1, keepdims=True))
    found = measure(p)
    assert set(found) == set(CLASSIFICATION)
    for name, value in reference_figures(p).items():
        assert found[name] == pytest.approx(value), name


def test_regression_figures_are_scikit_learns() -> None:
    p = numbers()
    found = measure(p)
    assert set(found) == set(REGRESSION)
    for name, value in reference_figures(p).items():
        assert found[name] == pytest.approx(value), name
    odd = p.take(np.arange(101))
    wanted = reference.median_absolute_error(odd.actual, odd.predicted)
    assert measure(odd)["median_error"] == pytest.approx(wanted)


@pytest.mark.parametrize("p", [classes(2), classes(4), numbers()], ids=["two", "four", "numbers"])
def test_a_resample_has_the_figures_of_the_rows_it_drew(p: Predictions) -> None:
    generator = np.random.default_rng(3)
    rows = generator.integers(len(p.actual), size=(3, len(p.actual)))
    weights = np.stack([np.bincount(drawn, minlength=len(p.actual)) for drawn in rows])
    together = Drawn(p, weights.astype(float))
    for name, metric in table_of(p).items():
        wanted = [measure(p.take(drawn))[name] for drawn in rows]
        np.testing.assert_allclose(metric.build(together), wanted, rtol=1e-9, err_msg=name)


def test_the_positive_class_is_whose_precision_counts() -> None:
    p = dataclasses.replace(classes(2), positive=0)
    assert p.probabilities is not None
    wanted = reference.average_precision_score(p.actual == 0, p.probabilities[:, 0])
    assert measure(p)["pr_auc"] == pytest.approx(wanted)


def with_quantiles() -> Predictions:
    p = numbers(noise=2.0)
    spread = np.array([-1.2816, 0.0, 1.2816]) * 2
    quantiles = p.predicted[:, None] + spread
    return dataclasses.replace(p, quantiles=quantiles, levels=(0.1, 0.5, 0.9))


def test_figures_of_quantiles_are_scikit_learns_and_cover_what_they_should() -> None:
    p = with_quantiles()
    assert p.quantiles is not None
    found = measure(p)
    assert set(found) == {*REGRESSION, *QUANTILES}
    wanted = [
        reference.mean_pinball_loss(p.actual, p.quantiles[:, q], alpha=level)
        for q, level in enumerate(p.levels)
    ]
    assert found["pinball"] == pytest.approx(np.mean(wanted))
    assert found["interval_coverage"] == pytest.approx(0.8, abs=0.06)
    assert found["interval_width"] == pytest.approx(4 * 1.2816)
    assert metric_intervals(p, 200, 0.95, 0)["pinball"].mean == pytest.approx(found["pinball"])
    told = describe_interval(p.levels, found)
    assert told.startswith("80% of the rows should lie between the levels 0.1 and 0.9; of the test")


def test_the_edge_of_an_interval_is_inside() -> None:
    edges = np.array([[1.0, 2.0, 3.0]] * 4)
    actual = np.array([1.0, 3.0, 0.999, 3.001])
    p = Predictions(actual, edges[:, 1], quantiles=edges, levels=(0.1, 0.5, 0.9))
    assert measure(p)["interval_coverage"] == 0.5


def test_a_single_quantile_has_no_interval() -> None:
    p = numbers()
    single = dataclasses.replace(p, quantiles=p.predicted[:, None], levels=(0.9,))
    assert set(measure(single)) == {*REGRESSION, "pinball"}


def test_a_figure_that_is_not_defined_is_left_out() -> None:
    one_class = classify(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([1, 1]))
    assert "roc_auc" not in measure(one_class)
    assert "r2" not in measure(Predictions(np.ones(3), np.array([1.0, 2.0, 3.0])))
    assert "r2" not in measure(Predictions(np.full(3, 0.1), np.array([1.0, 2.0, 3.0])))
    assert "mape" not in measure(Predictions(np.array([0.0, 1.0]), np.array([1.0, 2.0])))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    always_right_at_60 = Predictions(
        np.zeros(50, dtype=int), np.zeros(50, dtype=int), np.tile([0.6, 0.4], (50, 1))
    )
    assert measure(always_right_at_60)["ece"] == pytest.approx(0.4)


def test_softmax_takes_any_size_of_logit() -> None:
    shares = softmax(np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[1], 1 / 3)


def test_a_certain_and_wrong_row_has_a_finite_loss() -> None:
    p = classify(np.array([[2000.0, 0.0]]), np.array([1]))
    assert np.isfinite(measure(p)["log_loss"])


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        found = interval(generator.exponential(size=200), 400, 0.95, trial)
        covered += found.lower <= 1 <= found.upper
    assert 0.88 <= covered / 200 <= 0.99


def test_intervals_of_few_rows_are_wide_enough() -> None:
    generator = np.random.default_rng(0)
    missed = 0
    for trial in range(400):
        found = interval(generator.normal(size=8), 400, 0.95, trial)
        missed += not found.lower <= 0 <= found.upper
    assert missed / 400 < 0.08  # plain percentiles miss 0.12


@pytest.mark.parametrize("p", [classes(), numbers(), with_quantiles()])
def test_intervals_hold_their_figure(p: Predictions) -> None:
    figures, found = measure(p), metric_intervals(p, 300, 0.95, 0)
    assert set(found) == set(figures)
    for name, bounds in found.items():
        assert bounds.mean == pytest.approx(figures[name])
        assert bounds.lower <= bounds.upper
        # A resample is less calibrated than the rows it is of; the others are near their middle.
        slack = np.inf if name == "ece" else 1e-9
        assert bounds.lower - slack <= bounds.mean <= bounds.upper + slack


def test_many_rows_get_fewer_resamples() -> None:
    def n_drawn(n_rows: int) -> int:
        p = Predictions(np.arange(float(n_rows)), np.zeros(n_rows))
        return sum(len(part.weights) for part in resample(p, 900, 0))

    assert n_drawn(100) == 900
    assert n_drawn(400_000) == 250


def test_no_gain_is_rarely_called_a_gain_and_a_real_one_is() -> None:
    def gain(skill: float, seed: int) -> float:
        champion, challenger = classes(seed=seed), classes(skill=skill, seed=seed + 1000)
        same = Predictions(champion.actual, challenger.predicted, challenger.probabilities)
        aligned = classes(skill=skill, seed=seed) if skill != 1.5 else same
        return paired_gain(
            champion,
            aligned,
            metric="log_loss",
            n_resamples=200,
            confidence=0.95,
            seed=seed,
        ).lower

    assert gain(3.0, 0) > 0
    shuffled = [classes(seed=s) for s in range(40)]
    promoted = 0
    for s, champion in enumerate(shuffled):
        generator = np.random.default_rng(s)
        assert champion.probabilities is not None
        noisy = [
            classify(
                np.log(champion.probabilities) + generator.normal(0, 0.3, (300, 4)), champion.actual
            )
            for _ in range(2)
        ]
        bounds = paired_gain(
            noisy[0], noisy[1], metric="log_loss", n_resamples=200, confidence=0.95, seed=s
        )
        promoted += bounds.lower > 0
    assert promoted <= 6


def test_plots_are_pictures_with_equal_bytes(tmp_path: Path) -> None:
    history = [{"epoch": float(e), "train_loss": 1 / e, "valid_loss": 1.2 / e} for e in range(1, 6)]
    four, names = classes(), ["a", "$_$", "a long name", "d"]
    roc, pr = curves.ranking_curves(four)
    thresholds, calibration = curves.threshold_curve(four), curves.calibration_curve(four)
    images = np.random.default_rng(0).integers(0, 255, (7, 8, 8), dtype=np.uint8)
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        plots.plot_learning_curves(folder / "curves.png", history, 5)
        plots.plot_confusion(folder / "confusion.png", four, names)
        plots.plot_ranking(folder / "ranking.png", roc, pr, thresholds, calibration)
        deciles = curves.decile_curve(numbers())
        plots.plot_residuals(folder / "residuals.png", numbers(), deciles, "price in $_$")
        plots.plot_mistakes(folder / "mistakes.png", images, ["$_$, not b"] * 7)
        plots.write_predictions(folder / "predictions.csv", four, ["a", "b", "c", "d"])
        plots.write_predictions(folder / "tenths.csv", numbers(), None)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
        assert file.suffix == ".csv" or file.read_bytes().startswith(b"\x89PNG")
