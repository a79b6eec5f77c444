import dataclasses

import numpy as np
import pytest

from layerline.config import GateSection
from layerline.errors import ParamsError
from layerline.evaluation.class_costs import cost_matrix
from layerline.evaluation.metrics import CLASSIFICATION, LOWER_IS_BETTER, REGRESSION, measure
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.slices import Slice
from layerline.registry.gate import judge, live_metric, metric_of, metric_value
from layerline.registry.gate_rules import Context


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


def test_an_experiment_is_never_promoted_however_good_it_is():
    for champion in (numbers(5.0), None):
        context = Context(experiment="wide")
        verdict = judge(
            champion, numbers(0.1), GateSection(), task="regression", seed=0, context=context
        )
        assert not verdict.promote
        assert "layerline adopt wide" in verdict.reason


def test_the_same_model_is_never_promoted_again():
    context = Context(same_bytes=True)
    verdict = judge(None, numbers(1.0), GateSection(), task="regression", seed=0, context=context)
    assert not verdict.promote
    assert verdict.reason.startswith("unchanged")


def test_a_champion_that_cannot_predict_stays_and_the_reason_says_so():
    verdict = judge(
        None,
        numbers(1.0),
        GateSection(),
        task="regression",
        seed=0,
        context=Context(unreadable="column 'size' is not in the data"),
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
    assert metric_value(numbers(3.0), "r2") == pytest.approx(measure(numbers(3.0))["r2"])
    assert live_metric(GateSection(metric="r2"), "regression") == "rmse"
    dear = GateSection(metric="mean_cost")
    assert (metric_of(dear, "binary"), live_metric(dear, "binary")) == ("mean_cost", "log_loss")


def test_a_cheaper_model_is_promoted_though_it_is_wrong_more_often():
    generator = np.random.default_rng(0)
    costs = cost_matrix({"1": {"0": 20}}, (0, 1))
    champion = dataclasses.replace(classes(generator), costs=costs)
    careful = (champion.probabilities[:, 1] > 0.05).astype(int)
    challenger = dataclasses.replace(champion, predicted=careful)
    verdicts = [
        judge(champion, challenger, GateSection(metric=metric), task="binary", seed=0)
        for metric in ("mean_cost", "accuracy")
    ]
    assert [verdict.promote for verdict in verdicts] == [True, False]
    paid = [costs[p.actual, p.predicted].mean() for p in (champion, challenger)]
    assert [verdicts[0].champion_value, verdicts[0].challenger_value] == pytest.approx(paid)
    assert "gain in mean_cost" in verdicts[0].reason


def rules_of(verdict):
    return {check.rule: check for check in verdict.checks}


def test_a_floor_holds_for_the_first_champion_too():
    for floor, promoted in ((1.5, True), (0.5, False)):
        section = GateSection(floors={"rmse": floor})
        verdict = judge(None, numbers(1.0), section, task="regression", seed=0)
        assert verdict.promote is promoted
    assert verdict.reason == ("there was no champion; not promoted: rmse 1 must be at most 0.5")
    predictions = classes(np.random.default_rng(0))
    section = GateSection(floors={"accuracy": 0.99, "roc_auc": 0.5})
    verdict = judge(None, predictions, section, task="binary", seed=0)
    assert [(c.subject, c.passed) for c in verdict.checks] == [
        ("accuracy", False), ("roc_auc", True),
    ]  # fmt: skip
    with pytest.raises(ParamsError, match=r"floors\.rmse: unknown metric .*: accuracy"):
        judge(None, predictions, GateSection(floors={"rmse": 1.0}), task="binary", seed=0)


def test_the_direction_of_each_figure_is_known():
    """A floor under a figure that should be low would promote the worst."""
    perfect = Predictions(np.arange(4) % 2, np.arange(4) % 2, np.eye(2)[np.arange(4) % 2])
    poor = Predictions(np.arange(4) % 2, np.zeros(4, int), np.full((4, 2), [0.6, 0.4]))
    exact, off = numbers(0.0), numbers(1.0)
    for table, good, bad in ((CLASSIFICATION, perfect, poor), (REGRESSION, exact, off)):
        better, worse = measure(good), measure(bad)
        assert set(better) >= set(worse)
        assert set(table) - set(worse) <= {"mape"}  # which a true 0 leaves undefined
        for name in worse:
            assert (better[name] < worse[name]) is (name in LOWER_IS_BETTER), name


def test_a_slice_that_surely_lost_refuses_a_gain():
    champion, challenger = numbers(2.0, 400), numbers(1.0, 400)
    clay = np.arange(400) < 50
    challenger.predicted[clay] = challenger.actual[clay] + 3
    slices = (Slice("soil", "clay", clay), Slice("soil", "sand", ~clay))
    for tolerance, promoted in ((1.2, True), (0.0, False)):
        section = GateSection(metric="mae", slices=("soil",), slice_tolerance=tolerance)
        verdict = judge(
            champion, challenger, section, task="regression", seed=0, context=Context(slices=slices)
        )
        assert verdict.promote is promoted
    assert verdict.gain_lower > 0
    assert [(part.name, part.passed) for part in verdict.slices] == [
        ("soil = clay", False), ("soil = sand", True),
    ]  # fmt: skip
    assert "1 of 2 slices lost more" in verdict.reason
    assert "soil = clay (50 rows): gain in mae -1 absolute error" in verdict.reason
    few = GateSection(metric="mae", slices=("soil",), min_slice_rows=51)
    shown = judge(
        champion, challenger, few, task="regression", seed=0, context=Context(slices=slices)
    )
    assert shown.promote
    assert [part.judged for part in shown.slices] == [False, True]


def test_slices_that_are_worse_by_chance_alone_rarely_refuse():
    section = GateSection(bootstrap=1000)
    names = np.arange(800) % 10
    slices = tuple(Slice("part", str(k), names == k) for k in range(10))
    refused = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        pair = (classes(generator) for _ in range(2))
        verdict = judge(*pair, section, task="binary", seed=seed, context=Context(slices=slices))
        refused += not rules_of(verdict)["slices"].passed
    assert refused <= 4


def test_rows_that_the_champion_was_trained_on_are_left_out_and_counted():
    champion, challenger = numbers(2.0), numbers(1.0)
    champion.predicted[:150] = champion.actual[:150]  # it knows these by heart
    section = GateSection(metric="mae")
    verdict = judge(champion, challenger, section, task="regression", seed=0)
    assert not verdict.promote
    assert verdict.n_left_out is None
    seen = Context(seen=np.arange(200) < 150)
    verdict = judge(champion, challenger, section, task="regression", seed=0, context=seen)
    assert verdict.promote
    assert (verdict.n_rows, verdict.n_left_out) == (50, 150)
    assert verdict.champion_value == pytest.approx(2.0)
    for n_seen, reason in (
        (190, "10 test rows (190 more were left out"),
        (200, "no test row is left"),
    ):
        context = Context(seen=np.arange(200) < n_seen)
        few = judge(champion, challenger, section, task="regression", seed=0, context=context)
        assert not few.promote
        assert reason in few.reason
        assert not rules_of(few)["rows"].passed


def test_copies_of_rows_do_not_make_a_gain_surer():
    section = GateSection(bootstrap=2000)

    def repeated(predictions):
        return Predictions(
            np.repeat(predictions.actual, 10),
            np.repeat(predictions.predicted, 10),
            np.repeat(predictions.probabilities, 10, axis=0),
            groups=np.repeat(np.arange(200), 10),
        )

    promoted = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        shared = generator.normal(size=200)
        pair = [classes(generator, n_rows=200, shared=shared) for _ in range(2)]
        once = judge(*pair, section, task="binary", seed=seed)
        fed = [repeated(predictions) for predictions in pair]
        tenfold = judge(*fed, section, task="binary", seed=seed)
        assert tenfold.gain_mean == pytest.approx(once.gain_mean)
        assert tenfold.gain_lower == pytest.approx(once.gain_lower)  # the same rows are drawn
        assert tenfold.gain_upper == pytest.approx(once.gain_upper)
        assert "2,000 test rows (200 distinct)" in tenfold.reason
        promoted += tenfold.promote
    assert promoted <= 4


def test_groups_of_unequal_size_are_drawn_whole():
    section = GateSection(metric="mae", bootstrap=2000)
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), generator.integers(1, 30, 40))
    actual = np.zeros(len(groups))
    of_group = generator.normal(0.5, 1.0, 40)[groups]  # the gain differs from group to group
    pair = Predictions(actual, 5 + of_group), Predictions(actual, actual + 5)
    apart = judge(*pair, section, task="regression", seed=0)
    pair = tuple(dataclasses.replace(one, groups=groups) for one in pair)
    whole = judge(*pair, section, task="regression", seed=0)
    assert whole.gain_mean == pytest.approx(apart.gain_mean)
    width = whole.gain_upper - whole.gain_lower
    assert width > 3 * (apart.gain_upper - apart.gain_lower)
    # The standard error of a ratio estimator over 40 groups.
    sizes, sums = np.bincount(groups), np.bincount(groups, weights=of_group)
    error = np.sqrt(np.square(sums - sizes * of_group.mean()).sum()) / sizes.sum()
    assert width == pytest.approx(2 * 2.02 * error, rel=0.25)


def test_few_copies_of_many_rows_are_too_few_rows():
    pair = [dataclasses.replace(numbers(e), groups=np.arange(200) // 10) for e in (2.0, 1.0)]
    verdict = judge(*pair, GateSection(), task="regression", seed=0)
    assert not verdict.promote
    assert "200 test rows (20 distinct ones) are too few to compare by" in verdict.reason


def test_a_target_that_moved_keeps_the_champion():
    context = Context(target_shift="its median is 1,560, it was 520")
    facts = {"task": "regression", "seed": 0, "context": context}
    verdict = judge(numbers(2.0), numbers(1.0), GateSection(), **facts)
    assert not verdict.promote
    assert "the target has moved since the champion was trained: its median is 1,560" in (
        verdict.reason
    )
    assert "register.gate.target_shift: allow" in verdict.reason
    assert judge(numbers(2.0), numbers(1.0), GateSection(target_shift="allow"), **facts).promote


def test_too_few_rows_cannot_tell():
    verdict = judge(numbers(2.0, 20), numbers(1.0, 20), GateSection(), task="regression", seed=0)
    assert not verdict.promote
    assert "20 test rows are too few to compare by, 30 are needed: add data" in verdict.reason
    lowered = GateSection(min_rows=20)
    assert judge(numbers(2.0, 20), numbers(1.0, 20), lowered, task="regression", seed=0).promote


def test_budgets_of_time_and_size():
    section = GateSection(max_latency_ms=2.0, max_size_mb=1.0)
    context = Context(latency_ms=3.5, size_mb=0.25)
    verdict = judge(None, numbers(1.0), section, task="regression", seed=0, context=context)
    assert not verdict.promote
    assert "one row takes 3.5 ms, the budget is 2 ms" in verdict.reason
    assert rules_of(verdict)["size"].passed
