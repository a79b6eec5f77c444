"""Temperature and threshold: fitted right, kept only when they help, and the same from JSON."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn import metrics as reference

from layerline.artifacts import write_json
from layerline.config import EvaluateSection, ThresholdSection, parse_params
from layerline.errors import ParamsError, SourceError
from layerline.evaluation.class_costs import cost_matrix, describe_costs
from layerline.evaluation.decision import PLAIN, Decision, read_decision, write_decision
from layerline.evaluation.fit_decision import default_decision, fit_decision
from layerline.evaluation.metrics import measure
from layerline.evaluation.predictions import Predictions, softmax
from layerline.evaluation.temperature import calibrate, fit_temperature
from layerline.evaluation.thresholds import SCORES, choose_threshold, threshold_counts


def drawn(temperature: float, n_rows: int = 2000, n_classes: int = 3, seed: int = 0):
    """Logits that are right once they are divided by `temperature`, and classes drawn so."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (n_rows, n_classes))
    draws = generator.random((n_rows, 1))
    actual = (softmax(logits).cumsum(axis=1) < draws).sum(axis=1)
    return (logits * temperature).astype(np.float32), actual


@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_temperature_is_the_minimum_that_scipy_finds(true, n_classes):
    logits, actual = drawn(true, n_classes=n_classes)

    def loss(log_temperature):
        p = softmax(logits / np.exp(log_temperature))
        return reference.log_loss(actual, p, labels=range(n_classes))

    wanted = np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)
    found = fit_temperature(logits, actual)
    assert found == pytest.approx(wanted, rel=1e-3)
    assert found == pytest.approx(true, rel=0.15)


def test_an_over_confident_network_is_calibrated_and_its_ranking_kept():
    logits, actual = drawn(3.0)
    found = calibrate(logits, actual)
    assert found.kept
    assert found.after < found.before
    plain, cooled = softmax(logits), Decision(found.temperature).probabilities(logits)
    assert (plain.argmax(axis=1) == cooled.argmax(axis=1)).all()


def test_a_temperature_that_does_not_help_other_rows_is_left_out():
    kept = [calibrate(*drawn(1.0, n_rows=60, seed=seed)).kept for seed in range(40)]
    # Its own rows would say yes 40 times.
    assert sum(kept) <= 4
    for seed in range(40):
        found = calibrate(*drawn(1.0, n_rows=60, seed=seed))
        assert found.kept or found.temperature == 1.0


def test_few_wrong_answers_make_no_network_surer_of_itself():
    logits, actual = drawn(0.3)  # too unsure of itself
    assert calibrate(logits, actual).kept
    found = calibrate(logits[:60], actual[:60])
    assert found.after < 0.9 * found.before
    assert not found.kept


def test_separated_rows_have_no_temperature():
    logits = np.array([[4.0, 0.0], [0.0, 4.0]] * 20)
    actual = np.array([0, 1] * 20)
    assert fit_temperature(logits, actual) is None
    assert not calibrate(logits, actual).kept


def test_without_a_temperature_the_probabilities_are_softmax_to_the_bit():
    logits, _ = drawn(1.0)
    assert np.array_equal(PLAIN.probabilities(logits), softmax(logits))


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
def test_every_threshold_counts_what_choosing_by_it_gives(scores, seed):
    scores = np.array(scores)
    truth = np.random.default_rng(seed).random(len(scores)) < 0.4
    thresholds, counts = threshold_counts(scores, truth)
    assert (np.diff(thresholds) > 0).all()
    for k, threshold in enumerate(thresholds):
        chosen = scores >= threshold
        assert counts.tp[k] == (chosen & truth).sum()
        assert counts.fp[k] == (chosen & ~truth).sum()
        assert counts.fn[k] == (~chosen & truth).sum()
        assert counts.tn[k] == (~chosen & ~truth).sum()


def scored(n_rows=400, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.random(n_rows) < 0.2
    return np.clip(generator.normal(0.2 + 0.3 * truth, 0.15), 0, 1), truth


@pytest.mark.parametrize("metric", SCORES)
def test_no_threshold_of_a_fine_grid_is_better(metric):
    scores, truth = scored()
    section = ThresholdSection(metric=metric, false_positive=1.0, false_negative=5.0)
    measures = {
        "f1": lambda p: reference.f1_score(truth, p, zero_division=0.0),
        "accuracy": lambda p: reference.accuracy_score(truth, p),
        "balanced_accuracy": lambda p: reference.balanced_accuracy_score(truth, p),
        "cost": lambda p: -((p & ~truth).sum() + 5 * (~p & truth).sum()) / len(truth),
    }
    found = choose_threshold(scores, truth, section)
    best = measures[metric](scores >= found)
    assert best == pytest.approx(
        max([best, *(measures[metric](scores >= t) for t in np.linspace(0.001, 1, 500))])
    )


def test_a_dear_miss_lowers_the_threshold():
    scores, truth = scored()
    dear = ThresholdSection(metric="cost", false_negative=20.0)
    cheap = ThresholdSection(metric="cost", false_positive=20.0)
    assert choose_threshold(scores, truth, dear) < choose_threshold(scores, truth, cheap)


@pytest.mark.parametrize("positive", [0, 1])
def test_the_threshold_is_for_the_positive_class(positive):
    p = np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])
    chosen = Decision(threshold=0.6, positive=positive).choose(p)
    assert chosen.tolist() == [[0, 1, 1], [0, 1, 0]][positive]
    margins = Decision(threshold=0.6, positive=positive).margins(p)
    np.testing.assert_allclose(margins, np.abs(p[:, positive] - 0.6))


@pytest.mark.parametrize("classes", [("no", "yes"), (10, 20), (False, True)])
def test_it_comes_back_from_its_file(tmp_path, classes):
    decision = Decision(1.25, 0.3, positive=0)
    write_decision(tmp_path, decision, classes)
    assert read_decision(tmp_path, classes) == decision


def test_a_model_without_one_decides_plainly(tmp_path):
    assert read_decision(tmp_path, ("a", "b")) == PLAIN


def test_a_file_that_is_no_decision_is_refused(tmp_path):
    write_json(tmp_path / "decision.json", {"temperature": 1.0})
    with pytest.raises(SourceError, match=r"damaged \(.positive. is missing\)"):
        read_decision(tmp_path, ("a", "b"))


def test_defaults_leave_the_most_probable_class():
    logits, actual = drawn(3.0, n_classes=2)
    decision, calibration = fit_decision(logits, actual, ("a", "b"), EvaluateSection())
    assert decision.threshold is None
    assert calibration is not None
    assert calibration.kept
    bare, none = fit_decision(logits, actual, ("a", "b"), EvaluateSection(temperature=False))
    assert (bare, none) == (PLAIN, None)


def test_a_fixed_threshold_is_taken_as_it_is():
    logits, actual = drawn(1.0, n_classes=2)
    section = EvaluateSection(threshold=0.2, positive="a")
    decision, _ = fit_decision(logits, actual, ("a", "b"), section)
    assert (decision.threshold, decision.positive) == (0.2, 0)


@pytest.mark.parametrize(
    ("changes", "classes", "says"),
    [
        ({"threshold": 0.5}, ("a", "b", "c"), "only a binary task has a threshold"),
        ({"class_costs": {"x": 2}}, ("a", "b", "c"), r"class_costs\.x: is no class of the target"),
        ({"class_costs": {"a": {"x": 2}}}, ("a", "b"), r"class_costs\.a\.x: is no class"),
        ({"class_costs": {"a": {"b": 0}, "b": {"a": 0}}}, ("a", "b"), "no mistake costs anything"),
        ({"positive": "x"}, ("a", "b"), "'x' is not one of the two classes"),
        ({"positive": "a"}, ("a", "b", "c"), "not one of the two classes"),
    ],
)
def test_what_does_not_fit_the_classes_is_refused(changes, classes, says):
    logits, actual = drawn(1.0, n_classes=len(classes))
    with pytest.raises(ParamsError, match=says):
        fit_decision(logits, actual, classes, EvaluateSection(**changes))


@pytest.mark.parametrize(
    ("given", "matrix"),
    [
        ({"b": 6}, [[0, 1, 1], [6, 0, 6], [1, 1, 0]]),
        ({"b": {"a": 9, "c": 0}, "c": 2}, [[0, 1, 1], [9, 0, 0], [2, 2, 0]]),
        ({"a": {"a": 0.5}}, [[0.5, 1, 1], [1, 0, 1], [1, 1, 0]]),
        ("steps", [[0, 1, 2], [1, 0, 1], [2, 1, 0]]),
        ("squared_steps", [[0, 1, 4], [1, 0, 1], [4, 1, 0]]),
    ],
    ids=["by class", "by pair", "of the right one", "steps", "squared"],
)
def test_costs_make_decisions_cheaper(given, matrix):
    logits, actual = drawn(1.0, n_classes=3)
    classes, costs = ("a", "b", "c"), np.array(matrix, dtype=np.float64)
    section = EvaluateSection(class_costs=given, temperature=False)
    decision, _ = fit_decision(logits, actual, classes, section)
    assert decision.matrix.tolist() == matrix
    assert Decision.from_json(decision.to_json(classes), classes) == decision
    found = decision.classify(logits, actual)
    paid = costs[actual, found.predicted].mean()
    assert measure(found)["mean_cost"] == pytest.approx(paid)
    assert paid < 0.99 * costs[actual, PLAIN.classify(logits, actual).predicted].mean()
    for k in range(3):  # no constant decision, and no other one by these probabilities, is cheaper
        assert paid <= costs[actual, k].mean()
    expected = found.probabilities @ costs
    assert (expected[np.arange(2000), found.predicted] == expected.min(axis=1)).all()
    # A change of every probability by e changes no more than twice e of the margin.
    moved = found.probabilities + 1e-6 * np.array([1, -1, 1])
    change = np.abs(decision.margins(moved) - decision.margins(found.probabilities))
    assert change.max() <= 2e-6 * (1 + 1e-6)


def test_steps_choose_the_median_class():
    shares = np.random.default_rng(0).dirichlet([1, 1, 1, 1, 1], 300)
    chosen = Decision(costs=tuple(map(tuple, cost_matrix("steps", range(5))))).choose(shares)
    assert (chosen == (shares.cumsum(axis=1) < 0.5).sum(axis=1)).all()


def test_a_class_that_the_target_lost_costs_as_much_as_the_worst_mistake():
    costs = cost_matrix({"a": {"b": 5}}, ("a", "b"))
    p = Predictions(np.array([0, 1, 0]), np.array([-1, -1, 1]), np.eye(2)[[0, 1, 0]], costs=costs)
    assert p.row_losses("mean_cost").tolist() == [5, 1, 5]


def test_costs_in_the_words_of_the_card():
    classes = ("a", "b", "c")
    for asked, says in (
        ({"b": 6, "c": {"a": 3}}, "costs 1, but of `b` 6, of `c` taken for `a` 3."),
        ({"b": {"b": 2}}, "costs 1, but of `b` taken for `b` 2."),
        ({"b": 1}, "costs 1."),
        ("steps", "costs a unit for each step between the classes, in the order of the schema."),
    ):
        assert describe_costs(asked, cost_matrix(asked, classes).tolist(), classes).endswith(says)


@pytest.mark.parametrize("given", ["far", {"a": 0}, {"a": {"b": -1}}, {"a": True}, {"a": "x"}, [1]])
def test_costs_that_are_none_are_refused_once(given):
    raw = {"project": "p", "fetch": {"source": "files"}, "evaluate": {"class_costs": given}}
    (problem,) = parse_params(raw)[1]
    assert problem.where in (
        "evaluate.class_costs",
        "evaluate.class_costs.a",
        "evaluate.class_costs.a.b",
    )
    assert "got " in problem.message


def test_costs_and_a_threshold_are_refused_together():
    with pytest.raises(ValueError, match="threshold and class_costs each decide"):
        EvaluateSection(threshold=0.5, class_costs={"a": 2})
    with pytest.raises(ParamsError, match=r"evaluate\.class_costs: a regression has no classes"):
        default_decision(EvaluateSection(class_costs={"a": 2}))


def test_a_regression_has_no_threshold():
    assert default_decision(EvaluateSection()) == PLAIN
    with pytest.raises(ParamsError, match=r"evaluate\.threshold: a regression has no classes"):
        default_decision(EvaluateSection(threshold=0.5))
