"""LAYERLINE_TRACKING=off: the same results, and nobody is told."""

import json
from pathlib import Path

import pytest
from checkouts import Checkout

OFF = {"LAYERLINE_TRACKING": "off"}
RESULTS = (
    "models/network/network.safetensors",
    "models/preprocessor/preprocessor.json",
    "reports/history.csv",
    "reports/metrics.json",
    "reports/model_card.md",
)


def journals(checkout: Checkout) -> list[Path]:
    return list((checkout.root / ".layerline" / "journals").glob("*.jsonl*"))


def test_stages_without_tracking_write_no_journal_and_no_store(warm: Checkout) -> None:
    warm.edit_params(train__epochs=2)
    warm.run("dvc", "repro", "train", **OFF)
    assert journals(warm) == []
    assert not (warm.root / "mlflow.db").exists()
    assert json.loads((warm.root / "runs" / "train.json").read_text())["stage"] == "train"


@pytest.mark.slow
def test_results_are_the_same_bytes_and_a_version_has_its_run(
    digits: Checkout, checkout: Checkout
) -> None:
    assert "is now version 1" in checkout.run("dvc", "repro", **OFF)
    for name in RESULTS:
        assert (checkout.root / name).read_bytes() == (digits.root / name).read_bytes()
    (only,) = journals(checkout)
    assert "-register-" in only.name
    output = checkout.python(
        "import json, mlflow\n"
        "runs = mlflow.search_runs(experiment_names=['digits', 'digits-data'],\n"
        "                          output_format='list')\n"
        "version = mlflow.MlflowClient().get_model_version_by_alias('digits', 'champion')\n"
        "print(json.dumps([[r.info.run_id for r in runs], version.run_id]))\n"
    )
    runs, of_version = json.loads(output.splitlines()[-1])
    assert runs == [of_version]
