"""`retrain.when`: any condition is enough, and one line says which."""

import datetime

import pytest

from layerline.config import WhenSection, parse_params
from layerline.retraining.new_data import NewData
from layerline.retraining.served_champion import Champion
from layerline.retraining.triggers import decide

NOW = datetime.datetime.now(datetime.UTC)
OLD = Champion(3, NOW - datetime.timedelta(days=40), live_drop=0.03)
NEWS = NewData(n_new=120, n_known=1000, n_rows=1120, drifted=())


@pytest.mark.parametrize(
    ("when", "data", "trains", "why"),
    [
        ({}, NEWS, True, "120 new rows"),
        ({"new_rows": 100}, NEWS, True, "120 new rows, 100 are asked for"),
        ({"new_rows": 0.2}, NEWS, False, "120 new rows, 20.0% of 1,000 are asked for"),
        ({"drift": True}, NEWS, False, "no drift"),
        ({"drift": True}, NewData(5, 9, 14, ("a", "b")), True, "drift in a, b"),
        ({"drift": True}, NewData(5, 9, 14), False, "drift is unknown"),
        ({"champion_age_days": 30}, NEWS, True, "the champion is 40.0 days old, 30 are asked for"),
        ({"champion_age_days": 50}, NEWS, False, "50 are asked for"),
        ({"live_score_drop": 0.02}, NEWS, True, "worse than the test score by 0.03"),
        ({"live_score_drop": 0.05}, NEWS, False, "not surely worse"),
        ({"new_rows": 500, "champion_age_days": 30}, NEWS, True, "40.0 days old"),
        ({"new_rows": 500}, NewData(0, 1000, 1000), True, "params or code changed"),
    ],
)
def test_any_condition_is_enough(when, data, trains, why):
    decision = decide(WhenSection(**when), data, OLD)
    assert decision.trains == trains
    assert why in decision.why


def test_what_is_unknown_is_no_reason():
    when = WhenSection(live_score_drop=0.1, champion_age_days=1)
    decision = decide(when, NEWS, Champion())
    assert not decision.trains
    assert decision.why == "the live score is unknown; the champion's age is unknown"


@pytest.mark.parametrize(
    ("retrain", "where"),
    [
        ({"when": {"new_rows": 0}}, "retrain.when.new_rows"),
        ({"when": {"champion_age_days": -1}}, "retrain.when.champion_age_days"),
        ({"when": {"drifts": True}}, "retrain.when.drifts"),
        ({"drift": {"confidence": 2}}, "retrain.drift.confidence"),
        ({"alerts": {"webhook": "https://hooks.example/x"}}, "retrain.alerts.webhook"),
        ({"alerts": {"smtp": {"host": "a", "sender": "b"}}}, "retrain.alerts.smtp.to"),
        ({"alerts": {"command": []}}, "retrain.alerts.command"),
    ],
)
def test_each_mistake_is_named_with_its_path(retrain, where):
    raw = {"project": "p", "fetch": {"source": "files"}, "retrain": retrain}
    params, problems = parse_params(raw)
    assert params is None
    assert any(problem.where.startswith(where) for problem in problems), problems
