import pytest

from layerline.runs.param_differences import Change, changes, short_names


def test_changes_are_reported_in_the_order_of_the_pipeline():
    before = {"train.epochs": "4", "seed": "0", "scale.numeric": "none", "fetch.target": "price"}
    after = {"train.epochs": "8", "seed": "1", "fetch.target": "price", "train.options.depth": "3"}
    assert changes(before, after) == (
        Change("seed", "0", "1"),
        Change("scale.numeric", "none", None),
        Change("train.epochs", "4", "8"),
        Change("train.options.depth", None, "3"),
    )


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (Change("a.b", "4", "8"), "b 4→8"),
        (Change("a.b", None, "8"), "+b 8"),
        (Change("a.b", "8", None), "−b"),
        (Change("a.b", "x" * 100, "8"), f"b {'x' * 59}…→8"),
    ],
)
def test_a_change_in_a_few_signs(change, shown):
    assert change.shown_as("b") == shown


def test_short_names_are_clear():
    names = [
        "seed",
        "train.options.hidden",
        "train.optimizer.name",
        "train.schedule.name",
        "scale.split.test",
        "register.gate.metric",
        "train.early_stopping.metric",
    ]
    assert short_names(names) == {
        "seed": "seed",
        "train.options.hidden": "hidden",
        "train.optimizer.name": "optimizer.name",
        "train.schedule.name": "schedule.name",
        "scale.split.test": "split.test",
        "register.gate.metric": "gate.metric",
        "train.early_stopping.metric": "early_stopping.metric",
    }


def test_names_that_only_differ_by_options_stay_whole():
    names = ["train.options.width", "train.width", "options"]
    assert short_names(names) == {name: name for name in names}
