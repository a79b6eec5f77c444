import numpy as np
import pytest

from layerline.config import GateSection
from layerline.evaluation.predictions import Predictions
from layerline.registry.gate import judge, metric_of, metric_value


def classes(generator, n_rows=800, skill=1.0, noise=1.0, shared=None):
    """Predictions of two classes whose logit follows the truth by `skill`."""
    shared = np.zeros(n_rows) if shared is None else shared
    actual = np.arange(n_rows) % 2
    logits = skill * (2 * actual - 1) + shared + noise * generator.normal(size=n_rows)
    right = 1 / (1 + np.exp(-logits))
    return Predictions(actual, (right > 0.5).astype(int), np.stack([1 - right, right], axis=1))


def numbers(error, n_rows=200):
    actual = np.linspace(0, 10, n_rows)
    return Predictions(actual, actual + error * np.resize([1, -1], n_rows))


def test_the_first_model_becomes_champion():
    verdict = judge(None, numbers(1.0), GateSection(), task="regression", seed=0)
    assert verdict.promote
    assert verdict.reason == "there was no champion"
    assert verdict.challenger_value == pytest.approx(1.0)
    assert verdict.champion_value is None


def test_a_better_model_is_promoted_and_a_worse_one_is_not():
    for metric in ("rmse", "mae"):
        section = GateSection(metric=metric)
        better = judge(numbers(2.0), numbers(1.0), section, task="regression", seed=0)
        assert better.promote
        assert better.reason.startswith("better on 200 test rows: gain in")
        assert (better.champion_value, better.challenger_value) == pytest.approx((2.0, 1.0))
        worse = judge(numbers(1.0), numbers(2.0), section, task="regression", seed=0)
        assert not worse.promote
        assert worse.gain_upper < 0


def test_the_gain_must_exceed_the_margin():
    champion, challenger = numbers(1.5), numbers(1.0)
    for margin, promoted in ((0.4, True), (0.5, False)):
        section = GateSection(metric="mae", margin=margin)
        verdict = judge(champion, challenger, section, task="regression", seed=0)
        assert verdict.gain_lower == pytest.approx(0.5)
        assert verdict.promote is promoted


def test_the_same_model_is_never_promoted_again():
    verdict = judge(None, numbers(1.0), GateSection(), task="regression", seed=0, same_bytes=True)
    assert not verdict.promote
    assert verdict.reason.startswith("unchanged")


def test_a_champion_that_cannot_predict_stays_and_the_reason_says_so():
    verdict = judge(
        None,
        numbers(1.0),
        GateSection(),
        task="regression",
        seed=0,
        unreadable="column 'size' is not in the data",
    )
    assert not verdict.promote
    assert "cannot predict today's rows (column 'size' is not in the data)" in verdict.reason
    assert verdict.champion_value is None


def test_a_challenger_without_gain_is_promoted_at_most_a_few_times_in_a_hundred():
    section = GateSection(bootstrap=200)
    promoted = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        shared = generator.normal(size=800)
        champion, challenger = (classes(generator, shared=shared) for _ in range(2))
        promoted += judge(champion, challenger, section, task="binary", seed=seed).promote
    assert 0 < promoted <= 10  # 2.5 % of 200, give or take


def test_a_clear_gain_is_found():
    section = GateSection(metric="accuracy", bootstrap=200)
    for seed in range(20):
        generator = np.random.default_rng(seed)
        shared = generator.normal(size=800)
        champion = classes(generator, shared=shared)
        challenger = classes(generator, skill=1.8, shared=shared)
        verdict = judge(champion, challenger, section, task="binary", seed=seed)
        assert verdict.promote
        assert verdict.challenger_value > verdict.champion_value


def test_metrics_are_those_users_know():
    predictions = classes(np.random.default_rng(0))
    right = (predictions.actual == predictions.predicted).mean()
    assert metric_value(predictions, "accuracy") == pytest.approx(right)
    assert metric_value(numbers(3.0), "rmse") == pytest.approx(3.0)
    assert metric_of(GateSection(), "binary") == "log_loss"
    assert metric_of(GateSection(), "regression") == "rmse"
    assert metric_of(GateSection(metric="mae"), "regression") == "mae"
