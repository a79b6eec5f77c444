"""`dvc exp run` in all its ways: each run arrives in the main store, named after its experiment."""

import json
import time
from typing import Any

import pytest
from arrivals import check_arrivals, select
from checkouts import Checkout, make_checkout

FACTS = """
import json, mlflow
client = mlflow.MlflowClient()
found = []
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id]):
        files = [file.path for file in client.list_artifacts(run.info.run_id)]
        found.append({
            "id": run.info.run_id, "experiment": experiment.name, "status": run.info.status,
            "name": run.info.run_name, "tags": run.data.tags, "files": files,
            "epochs": run.data.params.get("train.epochs"),
        })
model = client.get_registered_model("digits") if client.search_registered_models() else None
versions = [[v.version, v.run_id, v.status] for v in client.search_model_versions("name='digits'")]
print(json.dumps([found, sorted(versions), model and model.aliases]))
"""


def facts(checkout: Checkout) -> tuple[list[dict[str, Any]], list[list[Any]], dict[str, Any]]:
    return json.loads(checkout.python(FACTS).splitlines()[-1])


def commit(checkout: Checkout) -> None:
    checkout.run("git", "add", "-A")
    checkout.run("git", "commit", "-qm", "run")


def check_training(
    runs: list[dict[str, Any]], name: str, epochs: int, baseline: str
) -> dict[str, Any]:
    trainings = [run for run in runs if run["tags"]["layerline.stage"] == "train"]
    (run,) = (run for run in trainings if run["name"] == name)
    assert (run["experiment"], run["status"]) == ("digits", "FINISHED")
    assert (run["tags"]["dvc.exp.name"], run["tags"]["mlflow.dvc.exp.baseline"]) == (name, baseline)
    assert run["epochs"] == str(epochs)
    assert {"params.yaml", "history.csv", "dvc.lock"} <= set(run["files"])
    return run


@pytest.mark.slow
def test_training_in_a_temporary_workspace(checkout: Checkout) -> None:
    baseline = checkout.run("git", "rev-parse", "HEAD").strip()
    change = "train.epochs=2"
    output = checkout.run("dvc", "exp", "run", "--temp", "-n", "short", "-S", change, "train")
    assert "kept epoch" in output
    checkout.run("layerline", "flush")
    runs, _, _ = facts(checkout)
    check_training(runs, "short", 2, baseline)
    data = [run for run in runs if run["experiment"] == "digits-data"]
    assert [run["name"] for run in data] == ["short"] * 3
    assert {run["tags"]["layerline.stage"] for run in data} == {"fetch", "validate", "scale"}
    check_arrivals(checkout.root, f"sqlite:///{checkout.root}/mlflow.db")
    assert not (checkout.root / "models" / "network").exists()


def wait_for_queue(checkout: Checkout) -> None:
    until = time.monotonic() + 280
    while any(word in (status := _queue(checkout)) for word in ("Queued", "Running")):
        assert time.monotonic() < until, status
        time.sleep(2)
    assert "Failed" not in status, status


def _queue(checkout: Checkout) -> str:
    return checkout.run("dvc", "queue", "status")


@pytest.mark.slow
def test_experiments_in_the_workspace_beside_it_and_in_a_queue_of_two(tmp_path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    checkout.edit_params(train__epochs=6, evaluate__bootstrap=50)
    checkout.run("dvc", "repro")
    commit(checkout)
    baseline = checkout.run("git", "rev-parse", "HEAD").strip()
    for number, how in enumerate([(), ("--temp",), ("--queue",), ("--queue",)], start=1):
        change = f"train.epochs={number}"
        checkout.run("dvc", "exp", "run", *how, "-n", f"exp-{number}", "-S", change)
    checkout.run("dvc", "queue", "start", "-j", "2")
    wait_for_queue(checkout)
    checkout.run("layerline", "flush")

    runs, versions, aliases = facts(checkout)
    for number in range(1, 5):
        run = check_training(runs, f"exp-{number}", number, baseline)
        assert {"metrics.json", "model_card.md", "plots"} <= set(run["files"])
    # The data stages did not run again, and the two at once did not mix up the registry.
    trainings = {run["id"] for run in runs if run["experiment"] == "digits"}
    assert len(trainings) == 5
    assert len(runs) == 8
    assert [int(number) for number, _, _ in versions] == [1, 2, 3, 4, 5]
    assert {run_id for _, run_id, _ in versions} == trainings
    assert {status for _, _, status in versions} == {"READY"}
    assert aliases["champion"] == "1"  # experiments are not promoted
    store = f"sqlite:///{checkout.root}/mlflow.db"
    check_arrivals(checkout.root, store)
    assert select(store, "SELECT count(*) FROM runs WHERE experiment_id = 0") == [(0,)]
    for name, epochs in (("exp-3", 3), ("exp-4", 4)):
        checkout.run("dvc", "exp", "apply", name)
        history = (checkout.root / "reports" / "history.csv").read_text()
        assert len(history.splitlines()) == epochs + 1
        checkout.run("git", "checkout", "-q", ".")


@pytest.mark.slow
def test_a_data_file_outside_git_is_named_with_copy_paths(checkout: Checkout) -> None:
    """As the README shows it: DVC runs `--temp` and `--queue` in a copy of what git tracks."""
    rows = "".join(f"{number % 7},{number % 5},{number / 3}\n" for number in range(300))
    (checkout.root / "houses.csv").write_text(f"size,age,price\n{rows}")
    (checkout.root / ".git" / "info" / "exclude").write_text("houses.csv\n")
    output = checkout.run("layerline", "init", "houses.csv", "--target", "price")
    assert "lack it until `dvc add houses.csv`" in output
    commit(checkout)
    output = checkout.run("dvc", "exp", "run", "--temp", "-n", "a", "-C", "houses.csv", "fetch")
    assert "fetch: 300 rows from files" in output
    checkout.run("dvc", "exp", "run", "--queue", "-n", "b", "-C", "houses.csv", "validate")
    assert "Running stage 'validate'" in checkout.run("dvc", "exp", "run", "--run-all")
    checkout.run("dvc", "add", "houses.csv")
    commit(checkout)
    output = checkout.run("dvc", "exp", "run", "--temp", "-n", "c", "-f", "fetch")
    assert "fetch: 300 rows from files" in output
