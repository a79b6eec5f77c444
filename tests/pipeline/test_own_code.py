"""Every kind of component of the user's own through `dvc repro`, and the version without them."""

import json
import shutil
from pathlib import Path

import pytest
from checkouts import Checkout, make_checkout
from own_project import write_own_code
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = make_checkout(tmp_path_factory.mktemp("own") / "checkout")
    root = checkout.root
    write_own_code(root)
    (root / "orders.txt").write_text("")
    checkout.edit_params(
        project="own",
        fetch={"source": "mine.sources:orders", "options": {"rows": 300}, "target": "kind"},
        validate={},
        scale={"numeric": {"columns": {"price": "mine.scalers:Logs"}}},
        train={"loss": {"name": "mine.losses:Focal", "gamma": 1.0}, "epochs": 3},
        evaluate={"metrics": ["mine.metrics:cost"], "baselines": []},
    )
    checkout.run("dvc", "repro", "fetch")
    checkout.run("layerline", "schema")
    schema = root / "data" / "schemas" / "own.yaml"
    content = YAML().load(schema)
    content["checks"] = [{"rule": "mine.rules:few_pieces", "severity": "warning"}]
    YAML().dump(content, schema)
    checkout.run("layerline", "watch")
    checkout.run("dvc", "repro")
    return checkout


def stages(output: str) -> list[str]:
    return [s.split("'")[1] for s in output.splitlines() if s.startswith("Running stage")]


def read(root: Path, path: str) -> str:
    return (root / path).read_text(encoding="utf-8")


def test_reports_have_what_they_found(project: Checkout) -> None:
    metrics = json.loads(read(project.root, "reports/metrics.json"))
    assert metrics["test"]["cost"] >= 0
    assert "| cost |" in read(project.root, "reports/model_card.md")
    interval = json.loads(read(project.root, "reports/evaluation.json"))["intervals"]["cost"]
    assert interval["lower"] <= metrics["test"]["cost"] <= interval["upper"]
    (warning, *_) = json.loads(read(project.root, "reports/validation.json"))["warnings"]
    assert "mine.rules:few_pieces" in warning["message"]
    assert '"kind": "own"' in read(project.root, "models/preprocessor/preprocessor.json")


def test_a_change_of_a_file_runs_the_stages_that_use_it(project: Checkout) -> None:
    assert "Data and pipelines are up to date" in project.run("dvc", "repro")
    for name, first in (("metrics", "evaluate"), ("losses", "train")):
        path = project.root / "mine" / f"{name}.py"
        path.write_text(path.read_text() + "# another comment\n")
        assert stages(project.run("dvc", "repro"))[0] == first


def test_an_unwatched_file_is_noted(project: Checkout) -> None:
    dvc_file = project.root / "dvc.yaml"
    known = dvc_file.read_text()
    dvc_file.write_text("".join(x for x in known.splitlines(True) if "mine/metrics" not in x))
    note = "DVC does not watch mine/metrics.py for changes yet; run `layerline watch`"
    assert note in project.stage("evaluate")
    dvc_file.write_text(known)


def test_the_version_loads_and_predicts_without_the_project(
    project: Checkout, tmp_path: Path
) -> None:
    shutil.move(project.root / "mine", tmp_path / "away")
    code = (
        "import mlflow.pyfunc\n"
        "model = mlflow.pyfunc.load_model('models:/own@champion')\n"
        "print(model.predict(model.input_example).shape)\n"
    )
    assert "(5, 3)" in project.python(code)
    output = project.run("layerline", "export", "models:/own@champion", "onnx", code=None)
    assert "is code of your own, which neither ONNX nor torch.export carries" in output
