import json
import re

import pandas as pd
import pytest
from labs import numbers

from layerline.runs.compare import compare_runs
from layerline.runs.shared_rows import Resampling

DRAWN = Resampling(n_resamples=100, confidence=0.95, seed=0)


def compared(lab, *keys):
    return compare_runs(lab.client, [lab.run(key) for key in keys], DRAWN)


def test_what_differs_and_what_each_has(full_lab):
    found = compared(full_lab, "one", "two", "four")
    assert found.params == {
        "scale.split.test": ["0.2", "0.2", "0.1"],
        "train.epochs": ["4", "4", "400"],
        "train.options.dropout": ["0.2", "0.4", "0.4"],
    }
    assert found.metrics["test_accuracy"] == [0.95, 0.97, None]
    assert list(found.metrics) == [
        "train_accuracy",
        "valid_accuracy",
        "test_accuracy",
        "test_log_loss",
    ]
    assert found.origins["git commit"] == ["1" * 40, "2" * 40, "2" * 40]
    # What the killed run did not record is no difference; what the other two did, is.
    assert "src/layerline/training" in found.origins
    assert "data/scaled" not in found.origins


def test_rows_in_common_and_the_run_that_has_none(full_lab):
    found = compared(full_lab, "one", "two", "three", "four")
    assert (found.paired, found.shared.n_rows) == ((0, 1, 2), 150)
    assert found.shared.n_test_rows == (300, 300, 250)
    assert found.shared.differences["log_loss"][1].verdict == "better"
    four = full_lab.run("four").short
    assert found.notes == (
        f"{four} is KILLED: it has what was recorded until then",
        f"{four} has no predictions.parquet: it is left out of the shared rows",
    )


def test_curves_by_epoch(full_lab):
    one, four = compared(full_lab, "one", "four").curves
    assert one["train_loss"] == [(epoch, 1 / epoch) for epoch in range(1, 5)]
    assert set(one) == {"train_loss", "valid_loss", "valid_error"}
    assert four == {}


def test_an_epoch_trained_again_counts_as_it_was_at_last(own_lab):
    with own_lab.journal("four", continues=True) as journal:
        for time_ms, losses in ((1_000, (3.0, 2.0)), (2_000, (1.5, 1.0))):
            for epoch, loss in enumerate(losses, start=1):
                journal.metrics({"valid_loss": loss}, step=epoch, time_ms=time_ms)
    own_lab.flush()
    assert compared(own_lab, "one", "four").curves[1]["valid_loss"] == [(1, 1.5), (2, 1.0)]


def test_a_run_of_an_earlier_release_has_other_names(own_lab):
    run_id = own_lab.run("four").run_id
    own_lab.client.log_param(run_id, "train.optimizer.options.momentum", 0.5)
    own_lab.client.log_param(run_id, "scale.split.name", "hash")
    own_lab.client.log_metric(run_id, "valid_loss", 0.5, step=1)
    own_lab.client.log_metric(run_id, "test_accuracy", 0.75)
    found = compared(own_lab, "one", "four")
    assert found.curves[1] == {"valid_loss": [(1, 0.5)]}
    assert found.metrics["test_accuracy"] == [0.95, 0.75]
    assert found.params["train.optimizer.momentum"] == [None, "0.5"]
    assert found.params["scale.split.method"] == [None, "hash"]
    stored = own_lab.client.get_run(own_lab.run("one").run_id).data.metrics
    assert {"valid/loss", "test/accuracy", "rows_per_second"} <= set(stored)


def evaluate(lab, key, table):
    lab.tell_training(key, {}, {})
    lab.tell_evaluation(key, {}, table)
    lab.flush()


def test_without_shared_rows_the_rest_is_compared(own_lab):
    far = numbers(own_lab.home / "predictions.parquet", range(1000, 1010), noise=1.0)
    evaluate(own_lab, "other-task", far)
    frame = pd.read_parquet(own_lab.home / "files" / "predictions.parquet")
    frame["id"] += 10_000
    frame.to_parquet(far)
    evaluate(own_lab, "other-rows", far)
    far.write_bytes(b"PAR1 damaged")
    evaluate(own_lab, "damaged", far)
    frame.drop(columns="actual").to_parquet(far)
    evaluate(own_lab, "no-truth", far)

    keys = ("one", "other-task", "other-rows", "damaged", "no-truth")
    found = compared(own_lab, *keys)
    assert (found.shared, found.paired) == (None, ())
    one, task, rows, damaged, truth = (own_lab.run(key).short for key in keys)
    assert found.notes == (
        f"{damaged}: its predictions.parquet cannot be read, so it is left out of the shared rows",
        f"{truth}: its predictions.parquet cannot be read, so it is left out of the shared rows",
        f"{task} predicts numbers, {one} classes: it is left out of the shared rows",
        f"{rows} shares no test row with {one}",
    )
    assert found.metrics["test_accuracy"] == [0.95, None, None, None, None]
    found = compared(own_lab, "two", "other-rows", "one")
    assert (found.paired, found.shared.n_rows) == ((0, 2), 300)


def test_the_command_writes_shows_and_logs_it(own_lab, layerline, obstacles):
    result = layerline(own_lab, "compare", "champion", "kind-fox", "mlp-four")
    one, two, four = (own_lab.run(key) for key in ("one", "two", "four"))
    folder = f"comparison/{one.short}-{two.short}-{four.short}"
    for run in (one, two, four):
        logged = {item.path for item in own_lab.client.list_artifacts(run.run_id, folder)}
        assert logged == {f"{folder}/comparison.{kind}" for kind in ("md", "html", "png", "json")}
    written = own_lab.home / "reports" / "comparison"
    assert sorted(path.name for path in written.iterdir()) == [
        "comparison.html",
        "comparison.json",
        "comparison.md",
        "comparison.png",
    ]
    for text in (result.stdout, (written / "comparison.md").read_text()):
        words = " ".join(text.replace("|", " ").split())
        assert "train.options.dropout 0.2 0.4 0.4" in words
        assert "test_accuracy 0.95 0.97 –" in words
        assert f"Test rows in common: 300 ({one.short}: all of its rows, {two.short}: all" in words
        assert "better" in words
        assert f"{four.short} has no predictions.parquet" in words
    assert f"also attached to each of the runs in MLflow, under {folder}" in result.stdout
    assert "![Loss by epoch](comparison.png)" in (written / "comparison.md").read_text()
    assert obstacles(written / "comparison.html") == []


def test_as_json_and_elsewhere(own_lab, layerline):
    result = layerline(own_lab, "compare", "v1", "v2", "--json", "--output", "some/where")
    found = json.loads(result.stdout)
    assert result.stdout == (own_lab.home / "some/where/comparison.json").read_text()
    assert [run["name"] for run in found["runs"]] == ["mlp-one", "mlp-two"]
    shared = found["shared_test_rows"]
    assert (shared["n_rows"], shared["n_resamples"], shared["confidence"]) == (300, 1000, 0.95)
    difference = shared["differences"]["log_loss"][1]
    assert difference["upper"] < 0
    assert difference["verdict"] == "better"


def test_a_later_comparison_replaces_the_earlier_one(own_lab, layerline):
    layerline(own_lab, "compare", "v1", "mlp-three")
    layerline(own_lab, "compare", "v1", "v2")
    text = (own_lab.home / "reports" / "comparison" / "comparison.md").read_text()
    assert own_lab.run("three").short not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name two runs or more to compare"),
        (("v1",), "name two runs or more to compare"),
        (("v1", "champion"), r"mlp-one, .*\) is named twice; compare it with another run"),
        (("v1", "mlp-tow"), "has no run 'mlp-tow'; did you mean"),
        (("v1", "v2", "--output", "params.yaml/x"), r"--output params.yaml/x: cannot be written"),
    ],
)
def test_mistakes_end_in_one_message(full_lab, layerline, arguments, said):
    result = layerline(full_lab, "compare", *arguments, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("layerline: error: ")
    assert result.stderr.count("error") == 1
    assert re.search(said, result.stderr)
    assert not (full_lab.home / "reports").exists()
