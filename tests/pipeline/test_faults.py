"""Killed, or without a tracking server: nothing good is lost, and the bytes stay the same."""

import json
import os
import signal
import subprocess
import time

import psutil
import pytest
from checkouts import Checkout

DEAD_SERVER = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}


def wait_for(condition: object, seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def stage_processes(checkout: Checkout) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = " ".join(process.info["cmdline"] or [])
        if "pipeline/" in command and process.info["cwd"] == str(checkout.root):
            found.append(process)
    return found


def n_curve_points(checkout: Checkout) -> int:
    journals = (checkout.root / ".layerline" / "journals").glob("*-train-*.jsonl")
    return sum(path.read_text().count("valid_loss") for path in journals)


def test_dvc_killed_in_training_leaves_no_orphan_and_a_rerun_the_same_bytes(
    checkout: Checkout,
) -> None:
    checkout.edit_params(train__epochs=40, train__early_stopping=None)
    repro = subprocess.Popen(
        ["dvc", "repro", "train"],
        cwd=checkout.root,
        env=checkout.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: n_curve_points(checkout) > 5)
    assert stage_processes(checkout)
    os.kill(repro.pid, signal.SIGKILL)
    repro.wait()
    wait_for(lambda: not stage_processes(checkout), 120)
    assert not (checkout.root / "models" / "network").exists()

    checkout.run("dvc", "repro", "train")
    network = checkout.root / "models" / "network" / "network.safetensors"
    after_kill = network.read_bytes()
    checkout.run("dvc", "repro", "-f", "-s", "train")
    assert network.read_bytes() == after_kill

    checkout.run("layerline", "flush")
    output = checkout.python(
        "import json, mlflow\n"
        "runs = mlflow.search_runs(experiment_names=['digits'], output_format='list')\n"
        "print(json.dumps(sorted(r.info.status for r in runs)))\n"
    )
    assert json.loads(output.splitlines()[-1]) == ["FINISHED", "FINISHED", "KILLED"]


@pytest.mark.slow
def test_without_a_server_training_is_the_same_and_registration_waits(
    digits: Checkout, checkout: Checkout
) -> None:
    output = checkout.run("dvc", "repro", code=None, **DEAD_SERVER)
    assert output.count("error:") == 1
    assert "register: error: " in output
    for name in ("models/network/network.safetensors", "reports/metrics.json"):
        assert (checkout.root / name).read_bytes() == (digits.root / name).read_bytes()
    assert "127.0.0.1" in checkout.stage("register", code=8, **DEAD_SERVER)

    assert "waiting" in checkout.run("layerline", "flush")
    assert "is now version 1" in checkout.run("dvc", "repro")


@pytest.mark.slow
def test_a_better_model_is_promoted_and_a_worse_one_is_not(checkout: Checkout) -> None:
    checkout.edit_params(train__epochs=1, train__options={"hidden": [8], "dropout": 0.5})
    checkout.run("dvc", "repro")
    checkout.edit_params(train__epochs=15, train__options={"hidden": [128], "dropout": 0.1})
    checkout.run("dvc", "repro")
    verdict = json.loads((checkout.root / "reports" / "registration.json").read_text())
    assert verdict["promoted"]
    assert verdict["champion_version"] == 2
    assert verdict["gain_lower"] > 0

    checkout.edit_params(train__epochs=2)
    checkout.run("dvc", "repro")
    verdict = json.loads((checkout.root / "reports" / "registration.json").read_text())
    assert not verdict["promoted"]
    assert verdict["champion_version"] == 2
    assert "not reliably better" in verdict["reason"]


@pytest.mark.slow
def test_a_failed_stage_under_dvc_keeps_the_last_good_outputs(checkout: Checkout) -> None:
    checkout.edit_params(train__epochs=2)
    checkout.run("dvc", "repro", "train")
    network = checkout.root / "models" / "network" / "network.safetensors"
    history = checkout.root / "reports" / "history.csv"
    before = network.read_bytes(), history.read_bytes()
    for wrong, says in (
        ({"train__network": "mpl"}, "'mpl' is not known"),
        (
            {"train__network": "mlp", "train__optimizer": {"name": "sgd", "learning_rate": 1e30}},
            "the loss diverged",
        ),
    ):
        checkout.edit_params(**wrong)
        output = checkout.run("dvc", "repro", "train", code=255)
        assert says in output
        assert (network.read_bytes(), history.read_bytes()) == before
    checkout.edit_params(train__optimizer={"name": "adamw", "learning_rate": 0.002})
    assert "kept epoch" in checkout.run("dvc", "repro", "train")


@pytest.mark.slow
def test_experiments_in_temporary_workspaces_land_in_the_main_store(digits: Checkout) -> None:
    digits.run("git", "add", "-A")
    digits.run("git", "commit", "-qm", "run")
    digits.run("dvc", "exp", "run", "--temp", "-n", "short", "-S", "train.epochs=2")
    output = digits.python(
        "import mlflow\n"
        "runs = mlflow.search_runs(experiment_names=['digits'], output_format='list')\n"
        "print(sorted(r.info.run_name for r in runs))\n"
    )
    assert "'short'" in output
