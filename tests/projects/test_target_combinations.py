"""What is of one target is refused beside several, each with its dotted path."""

from typing import Any

import pytest

from layerline.config import parse_params
from layerline.config.dotted_paths import with_values
from layerline.projects.combinations import combination_problems

SEVERAL: dict[str, Any] = {
    "project": "flats",
    "fetch": {"source": "files", "options": {"path": "x.csv"}, "target": ["price", "rent"]},
}


def told(changes: dict[str, Any]) -> list[str]:
    found, problems = parse_params(with_values(SEVERAL, changes))
    assert found is not None, problems
    return [problem.where for problem in combination_problems(found)]


def test_the_defaults_go_together_with_several() -> None:
    assert told({}) == []
    assert told({"train.members": {"count": 4, "keep": "all"}, "train.folds": 2}) == []
    assert told({"register.gate.metric": "r2", "scale.target": "none"}) == []
    assert told({"train.loss": "huber", "train.early_stopping": {"metric": "mae"}}) == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("fetch.source", "sklearn"),
        ("fetch.task", "binary"),
        ("fetch.weights", "weight"),
        ("scale.window", {"rows": 9, "half_life_rows": 5}),
        ("scale.split.method", "stratified"),
        ("scale.target", "log"),
        ("scale.target", {"name": "standard", "clamp": True}),
        ("scale.categorical", "target"),
        ("scale.categorical", {"default": "one_hot", "columns": {"city": "one_hot_target"}}),
        ("scale.preprocessor", {"from": "champion"}),
        ("train.loss", "quantile"),
        ("train.loss", "cross_entropy"),
        ("train.loss", "mine.losses:own"),
        ("train.early_stopping.metric", "auc"),
        ("train.sampling", "balanced"),
        ("train.augment", ["mixup"]),
        ("train.transfer", {"from": "champion"}),
        ("train.monotone", {"area": "increasing"}),
        ("train.members.distil", True),
        ("evaluate.conformal", 0.9),
        ("evaluate.threshold", 0.3),
        ("evaluate.positive", 1),
        ("evaluate.class_costs", {"yes": 5}),
        ("evaluate.metrics", ["mine.metrics:cost"]),
        ("register.gate.metric", "rmse"),
        ("retrain.promote", "shadow"),
        ("retrain.rollback", True),
        ("retrain.when.live_score_drop", 0.1),
    ],
)
def test_what_is_of_one_target_is_refused(where: str, value: Any) -> None:
    assert where in told({where: value})


def test_a_task_of_several_needs_several() -> None:
    assert told({"fetch.target": "price", "fetch.task": "multilabel"}) == ["fetch.task"]
    assert told({"fetch.target": ["price"], "fetch.task": "auto"}) == []
    for wrong in (["price", "price"], []):
        found, problems = parse_params(with_values(SEVERAL, {"fetch.target": wrong}))
        assert found is None
        assert "must name a column, or several that differ" in str(problems)
