"""Params changed and changed back, through the real `dvc repro`: runs link to who made the data."""

import json

import pytest
from checkouts import Checkout


def trainings(checkout: Checkout) -> list[dict]:
    """The training runs, oldest first: their ids, tags and metrics."""
    checkout.run("layerline", "flush")
    output = checkout.python(
        "import json, mlflow\n"
        "runs = mlflow.search_runs(experiment_names=['digits'], output_format='list',\n"
        "                          order_by=['attributes.start_time ASC'])\n"
        "print(json.dumps([{'tags': r.data.tags, 'metrics': r.data.metrics} for r in runs]))\n"
    )
    return json.loads(output.splitlines()[-1])


@pytest.mark.slow
def test_what_dvc_restored_is_a_link_to_the_run_that_made_it(checkout: Checkout) -> None:
    checkout.edit_params(train__epochs=2)
    checkout.run("dvc", "repro", "evaluate")
    checkout.edit_params(scale__numeric="minmax")
    checkout.run("dvc", "repro", "train")
    checkout.edit_params(scale__numeric="standard", train__epochs=3)
    output = checkout.run("dvc", "repro", "train")
    assert "Stage 'scale' is cached - skipping run" in output

    first, second, third = trainings(checkout)
    assert (
        third["tags"]["mlflow.layerline.run.scale"] == first["tags"]["mlflow.layerline.run.scale"]
    )
    assert (
        third["tags"]["mlflow.layerline.run.scale"] != second["tags"]["mlflow.layerline.run.scale"]
    )
    restored = {name for name in third["tags"] if name.startswith("mlflow.layerline.restored.")}
    assert restored == {"mlflow.layerline.restored.scale"}, (
        "fetch and validate were left as they were"
    )
    assert (
        third["tags"]["mlflow.layerline.restored.scale"]
        == third["tags"]["mlflow.layerline.run.scale"]
    )
    assert not [t for run in (first, second) for t in run["tags"] if "restored" in t]
    assert "test/accuracy" not in third["metrics"]

    checkout.edit_params(train__epochs=2, evaluate__bootstrap=500)
    output = checkout.run("dvc", "repro", "evaluate")
    assert "Stage 'train' is cached - skipping run" in output
    assert "Running stage 'evaluate'" in output
    after = trainings(checkout)
    assert len(after) == 3, "a restored training is no new run"
    assert after[0]["tags"]["layerline.changed.evaluate.bootstrap"] == "500"
    assert after[0]["metrics"]["test/accuracy"] == first["metrics"]["test/accuracy"]
