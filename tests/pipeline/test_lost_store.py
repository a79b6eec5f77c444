"""A store, a version or an alias that got lost: who notices, and the command that repairs it."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from checkouts import Checkout

ROWS = (
    "import pandas as pd; from sklearn.datasets import load_digits;"
    "load_digits(as_frame=True).data.head(3).to_csv('rows.csv', index=False)"
)
HOLDER = (
    "import json, mlflow\n"
    "client = mlflow.MlflowClient()\n"
    "aliases = client.get_registered_model('digits').aliases\n"
    "version = client.get_model_version('digits', aliases['champion'])\n"
    "run = client.get_run(version.run_id)\n"
    "print(json.dumps([aliases, run.data.tags, run.data.metrics, run.info.status]))\n"
)


@pytest.fixture
def copy(digits: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the checkout in which the pipeline has run, to lose things in."""
    root = tmp_path / "copy"
    shutil.copytree(digits.root, root, symlinks=True)
    checkout = Checkout(root)
    checkout.python(ROWS)
    return checkout


def predict(checkout: Checkout, code: int = 0) -> str:
    return checkout.run("layerline", "predict", "rows.csv", "out.csv", code=code)


def champion(checkout: Checkout) -> tuple[dict, dict, dict, str]:
    return tuple(json.loads(checkout.python(HOLDER).splitlines()[-1]))


def test_a_lost_database_is_noticed_by_all_and_replaced_when_asked(copy: Checkout) -> None:
    copy = dataclasses.replace(copy, is_warm=True)
    (copy.root / "mlflow.db").unlink()
    copy.edit_params(register__gate={"floors": {"accuracy": 0.5}})
    for command in (["results"], ["history"], ["promote", "1"], ["runs"], ["retrain"], ["flush"]):
        output = copy.run("layerline", *command, code=None if command == ["flush"] else 8)
        if command != ["flush"]:  # nothing waits
            assert "layerline register --new-store" in output, command
    assert "layerline register --new-store" in predict(copy, code=8)
    output = copy.run("dvc", "repro", code=255)
    assert "register: error:" in output
    assert "mlflow.db: missing, though" in output
    assert not (copy.root / "mlflow.db").exists()

    copy.run("layerline", "register", "--new-store")
    aliases, tags, metrics, status = champion(copy)
    assert {name: str(number) for name, number in aliases.items()} == {"champion": "1"}
    assert tags["layerline.why.train"].startswith("the store lost the training's run")
    assert status == "FINISHED"
    assert {"valid/loss", "test/accuracy", "train/log_loss"} <= metrics.keys()
    predict(copy)
    copy.run("layerline", "results")
    assert "up to date" in copy.run("dvc", "repro")


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [
        "client.delete_registered_model_alias('digits', 'champion')",
        "client.delete_model_version('digits', '1')",
        "client.delete_registered_model('digits')",
    ],
)
def test_a_lost_version_is_noticed_and_registered_again(copy: Checkout, loss: str) -> None:
    copy.python(f"import mlflow; client = mlflow.MlflowClient(); {loss}")
    assert "layerline register" in copy.run("layerline", "results", code=8)
    assert "layerline register" in predict(copy, code=8)
    output = copy.run("layerline", "retrain")
    assert "registering the model in models/" in output
    assert "nothing is new" in copy.run("layerline", "retrain")
    assert list(champion(copy)[0]) == ["champion"]
    predict(copy)


@pytest.mark.slow
def test_a_colleague_registers_what_dvc_pull_brought(copy: Checkout) -> None:
    for name in ("mlflow.db", ".layerline/stores.json"):
        (copy.root / name).unlink()
    shutil.rmtree(copy.root / "mlartifacts")
    shutil.rmtree(copy.root / ".layerline" / "journals")
    assert "up to date" in copy.run("dvc", "repro")
    for output in (copy.run("layerline", "results", code=8), predict(copy, code=8)):
        assert "layerline register --new-store" in output
    copy.run("layerline", "register", "--new-store")
    facts = json.loads((copy.root / "reports" / "registration.json").read_text())
    assert facts["promoted"] is True
    predict(copy)


def test_modules_of_the_users_own_hide_none_of_the_standard_library(copy: Checkout) -> None:
    for name in ("secrets", "types", "random"):
        (copy.root / f"{name}.py").write_text(f"raise RuntimeError('the wrong {name}')\n")
    output = copy.stage("fetch")
    assert "wrong" not in output
    copy.run("layerline", "flush")
    log = (copy.root / ".layerline" / "follower.log").read_text()
    assert "wrong" not in log
    copy.run("layerline", "retrain", "--status")


@pytest.mark.parametrize(
    "encoding", [{"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_an_output_encoding_of_ascii_ends_no_stage(copy: Checkout, encoding: dict) -> None:
    for stage in ("fetch", "validate"):
        copy.stage(stage, **encoding)
    assert "inputs to the network" in copy.stage("scale", **encoding)
    copy.run("layerline", "results", **encoding)
