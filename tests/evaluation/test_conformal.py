import numpy as np
import pytest

from layerline.errors import ParamsError
from layerline.evaluation.conformal import Conformal, fit_conformal, interval_scores, set_scores
from layerline.evaluation.conformal_groups import ENOUGH_ROWS, Groups, find_groups
from layerline.evaluation.decision import Decision
from layerline.evaluation.metrics import measure
from layerline.evaluation.predictions import Predictions
from layerline.scaling.preprocessing.target_transforms import NO_CURVE, TargetCurve
from layerline.training.objectives.links import IDENTITY, Link


def test_intervals_cover_new_rows_as_often_as_asked():
    rng, covered = np.random.default_rng(0), []
    for _ in range(400):
        actual = rng.standard_t(3, size=120)
        numbers = np.zeros((120, 1))
        fitted = fit_conformal(interval_scores(numbers[:20], actual[:20]), 0.9)
        low, high = fitted.intervals(numbers[20:], NO_CURVE).T
        covered.append(np.mean((low <= actual[20:]) & (actual[20:] <= high)))
    # Of 20 rows the 19th score is taken: 19/21 of new rows lie below it.
    assert np.mean(covered) == pytest.approx(19 / 21, abs=0.01)


def test_sets_cover_new_rows_and_are_never_empty():
    rng, covered, sizes = np.random.default_rng(1), [], []
    for _ in range(100):
        probabilities = rng.dirichlet([0.5] * 4, size=250)
        actual = np.array([rng.choice(4, p=p) for p in probabilities])
        fitted = fit_conformal(set_scores(probabilities[:50], actual[:50]), 0.9)
        sets = fitted.sets(probabilities[50:], probabilities[50:].argmax(axis=1))
        covered.append(sets[np.arange(200), actual[50:]].mean())
        sizes.append(sets.sum(axis=1).min())
    assert np.mean(covered) == pytest.approx(46 / 51, abs=0.015)
    assert min(sizes) == 1


def test_the_outer_quantiles_are_moved():
    numbers = np.tile([-1.0, 0.0, 1.0], (9, 1))
    actual = np.array([0, 0, 0, 0, 0, 0, 0, 0, 3.0])
    assert fit_conformal(interval_scores(numbers, actual), 0.9) == Conformal(0.9, 2.0)
    narrower = fit_conformal(interval_scores(numbers, np.zeros(9)), 0.9)
    assert narrower == Conformal(0.9, -1.0)
    assert narrower.intervals(numbers, NO_CURVE).tolist() == [[0.0, 0.0]] * 9


def test_intervals_of_a_logarithm_are_factors():
    curve = TargetCurve("log")
    found = Conformal(0.9, np.log(2.0)).intervals(np.log([[10.0], [100.0]]), curve)
    assert found == pytest.approx(np.array([[5, 20], [50, 200]]))


def test_intervals_stay_in_the_range_that_predictions_stay_in():
    curve = TargetCurve(lowest=0.0, highest=10.0)
    assert Conformal(0.9, 3.0).intervals(np.array([[1.0]]), curve).tolist() == [[0.0, 4.0]]


def test_too_few_rows_are_refused_with_how_many_it_takes():
    with pytest.raises(ParamsError, match=r"evaluate\.conformal.*at least 9 validation rows.*8"):
        fit_conformal(interval_scores(np.zeros((8, 1)), np.zeros(8)), 0.9)
    fit_conformal(interval_scores(np.zeros((9, 1)), np.zeros(9)), 0.9)


def test_coverage_and_size_are_metrics():
    decision = Decision(conformal=Conformal(0.9, 1.0))
    found = decision.decide_numbers(
        np.array([[0.0], [5.0]]), IDENTITY, NO_CURVE, np.array([0.5, 9.0])
    )
    figures = measure(found)
    assert (figures["conformal_coverage"], figures["conformal_size"]) == (0.5, 2.0)
    sure = decision.classify(np.array([[9.0, -9.0]], np.float32), np.array([1]))
    assert measure(sure)["conformal_coverage"] == 1.0  # 1 - p <= 1 holds for every class
    assert "conformal_coverage" not in measure(Predictions(np.zeros(2), np.ones(2)))


def test_a_decision_with_regions_survives_its_file():
    decision = Decision(1.5, 0.3, 0, Conformal(0.8, 0.25))
    assert Decision.from_json(decision.to_json(("a", "b")), ("a", "b")) == decision
    assert "conformal" not in Decision().to_json(("a", "b"))


def test_regions_of_a_quantile_loss_have_its_levels_beside_them():
    link = Link("quantile", levels=(0.1, 0.5, 0.9))
    decision = Decision(conformal=Conformal(0.9, 1.0))
    found = decision.decide_numbers(np.array([[1.0, 2.0, 4.0]]), link, NO_CURVE)
    assert found.predicted.tolist() == [2.0]
    assert found.regions is not None
    assert found.regions.tolist() == [[0.0, 5.0]]


def test_each_group_is_covered_as_often_as_asked():
    rng, covered, by_all = np.random.default_rng(0), [], []
    groups = Groups("city", ("Ulm", "Bonn"), first=0)
    for _ in range(200):
        city = rng.integers(0, 2, 400)
        x = np.eye(2, dtype=np.float32)[city]
        actual = rng.normal(size=400) * (1 + 9 * city)
        numbers, new = np.zeros((400, 1)), slice(200, None)
        scores = interval_scores(numbers[:200], actual[:200])
        fitted = fit_conformal(scores, 0.9)
        own = fitted.grouped(groups, scores, groups.places(x[:200]))
        for found, rates in ((own, covered), (fitted, by_all)):
            low, high = found.intervals(numbers[new], NO_CURVE, x[new]).T
            inside = (low <= actual[new]) & (actual[new] <= high)
            rates.append([inside[city[new] == k].mean() for k in range(2)])
    assert np.mean(covered, axis=0) == pytest.approx([0.905, 0.905], abs=0.015)
    assert np.mean(by_all, axis=0)[0] > 0.99
    assert np.mean(by_all, axis=0)[1] < 0.85


def test_a_rare_class_is_covered_as_often_as_the_others():
    rng, covered = np.random.default_rng(1), []
    for _ in range(100):
        actual = (rng.random(1000) < 0.1).astype(int)
        odds = np.exp(1.5 * actual + rng.normal(size=1000) - 3)
        shares = np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)
        scores = set_scores(shares[:500], actual[:500])
        groups = Groups("kind", ("no", "yes"))
        fitted = fit_conformal(scores, 0.8).grouped(groups, scores, actual[:500])
        sets = fitted.sets(shares[500:], shares[500:].argmax(axis=1))
        inside = sets[np.arange(500), actual[500:]]
        covered.append([inside[actual[500:] == k].mean() for k in range(2)])
    rates = np.mean(covered, axis=0)
    assert rates[1] == pytest.approx(0.81, abs=0.025)
    assert rates[0] >= 0.8  # the predicted class is always in the set


def test_groups_with_few_rows_and_unknown_levels_have_the_margin_of_all():
    groups = Groups("city", ("Ulm", "Bonn"), first=1)
    scores = np.r_[np.full(ENOUGH_ROWS, 2.0), np.full(ENOUGH_ROWS - 1, 7.0)]
    places = np.r_[np.zeros(ENOUGH_ROWS, int), np.ones(ENOUGH_ROWS - 1, int)]
    fitted = fit_conformal(scores, 0.5).grouped(groups, scores, places)
    assert fitted.groups.scores == (2.0, None)
    x = np.array([[5, 1, 0], [5, 0, 1], [5, 0, 0]], np.float32)
    assert fitted.groups.margins(x, 3.0).tolist() == [[2.0], [3.0], [3.0]]
    assert Decision.from_json(Decision(conformal=fitted).to_json(None), None).conformal == fitted


def test_groups_are_found_among_the_inputs_of_the_network():
    data = {"target": "kind", "classes": ["a", "b"]}
    data["features"] = ["size", "soil=clay", "soil=sand", "soil is rare", "town"]
    assert find_groups("kind", data, (3,)) == Groups("kind", ("a", "b"))
    assert find_groups("soil", data, (3,)) == Groups("soil", ("clay", "sand", "soil is rare"), 1)
    town = find_groups("town", data, (3,))
    assert town == Groups("town", ("0", "1", "2"), 4, is_code=True)
    assert town.places(np.array([[0, 0, 0, 0, 2], [0, 0, 0, 0, 3]], np.float32)).tolist() == [2, -1]
    for name in ("size", "other"):
        with pytest.raises(
            ParamsError, match=r"conformal\.by: .*one of these: 'town', 'soil', 'kind'"
        ):
            find_groups(name, data, (3,))
