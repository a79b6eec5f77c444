"""Components named by import path: preflight checks them, DVC watches their files."""

from typing import Any

import pytest
from own_project import write_own_code
from ruamel.yaml import YAML

from layerline.config import parse_params
from layerline.errors import ParamsError
from layerline.own_code import files_of_stage, unwatched_files
from layerline.projects.preflight import check_params, main
from layerline.projects.watched_files import must_fetch, watch

OWN: dict[str, Any] = {
    "project": "own",
    "seed": 0,
    "threads": 1,
    "fetch": {
        "source": "mine.sources:orders",
        "options": {"rows": 60, "path": "orders.txt"},
        "target": "kind",
    },
    "validate": {},
    "scale": {
        "numeric": {"default": "standard", "columns": {"price": "mine.scalers:Logs"}},
        "missing": "mean",
    },
    "train": {"loss": {"name": "mine.losses:Focal", "gamma": 1.5}},
    "evaluate": {"metrics": ["mine.metrics:cost"]},
    "register": {},
}
SCHEMA = "checks: ['mine.rules:few_pieces', 'a < b']\n"
DEPS = {
    "fetch": ["pipeline/fetch.py", "code/fetch.txt", "old.csv"],
    "validate": ["code/validate.txt", "data/raw", "mine/old.py"],
    "scale": ["code/scale.txt", "data/validated"],
    "train": ["code/train.txt", "data/scaled", "mine/old.py"],
    "evaluate": ["code/evaluate.txt", "models/network"],
    "register": ["code/register.txt"],
}


def params_with(**changes: Any) -> dict[str, Any]:
    """OWN with other sections: scale__numeric=..."""
    params = {key: dict(v) if isinstance(v, dict) else v for key, v in OWN.items()}
    for dotted, value in changes.items():
        section, key = dotted.split("__")
        params[section][key] = value
    return params


@pytest.fixture
def project(tmp_path, monkeypatch):
    write_own_code(tmp_path)
    (tmp_path / "orders.txt").write_text("")
    (tmp_path / "data" / "schemas").mkdir(parents=True)
    (tmp_path / "data" / "schemas" / "own.yaml").write_text(SCHEMA)
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(OWN, file)
    with (tmp_path / "dvc.yaml").open("w") as file:
        YAML().dump({"stages": {name: {"deps": deps} for name, deps in DEPS.items()}}, file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_of_own_components_are_accepted(project):
    params = check_params(OWN, "params.yaml")
    assert params.fetch.source == "mine.sources:orders"
    assert params.evaluate.metrics == ("mine.metrics:cost",)


@pytest.mark.parametrize(
    ("changes", "where", "message"),
    [
        ({"train__loss": "mine.absent:Focal"}, "train.loss", "there is no file mine/absent.py"),
        ({"train__loss": "mine.losses:Fokal"}, "train.loss", "has no function Fokal; write `def"),
        ({"train__loss": "mine.losses:number"}, "train.loss", "no function but a value called"),
        ({"train__loss": "mine.losses:alone"}, "train.loss", "must take outputs, targets: write"),
        (
            {"train__loss": {"name": "mine.losses:Focal", "gamma": "1"}},
            "train.loss.gamma",
            "valid number, got '1'",
        ),
        (
            {"train__loss": {"name": "mine.losses:squared", "tims": 1}},
            "train.loss.tims",
            "did you mean 'times'?",
        ),
        ({"train__loss": "no loss"}, "train.loss", "quantile, PACKAGE.MODULE:NAME"),
        (
            {"scale__numeric": {"columns": {"price": "mine.scalers:Nothing"}}},
            "scale.numeric.columns.price",
            "has no class Nothing with fit and transform",
        ),
        ({"scale__numeric": "mine.losses:squared"}, "scale.numeric", "has no class squared"),
        ({"scale__missing": "mine.scalers:Logs"}, "scale.missing", "is not known; choose one of"),
        ({"fetch__source": "mine.sources:sell"}, "fetch.source", "has no function sell"),
        ({"fetch__options": {"row": 3}}, "fetch.options.row", "did you mean 'rows'?"),
        (
            {"evaluate__metrics": ["mine.metrics:cost", "mine.metrics:cost"]},
            "evaluate",
            "one name twice: cost, cost",
        ),
        ({"evaluate__metrics": ["rmse"]}, "evaluate.metrics.0", "PACKAGE.MODULE:NAME"),
        (
            {"evaluate__metrics": ["mine.metrics:accuracy"]},
            "evaluate.metrics.0",
            "accuracy is a metric of Layerline's; rename the function",
        ),
        ({"register__export": ["onnx"]}, "register.export", "is code of your own, which no export"),
    ],
)
def test_what_is_wrong_is_one_message_at_its_place(changes, where, message, project):
    with pytest.raises(ParamsError) as caught:
        check_params(params_with(**changes), "params.yaml")
    (problem,) = caught.value.problems
    assert problem.where == where
    assert message in problem.message


def test_a_file_that_raises_ends_with_exit_code_2(project, capsys):
    (project / "mine" / "metrics.py").write_text("import no_such_package\n")
    assert main(["params.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("params.yaml: evaluate.metrics.0: mine.metrics:cost: mine/metrics.py")
    assert "cannot be run: ModuleNotFoundError: No module named 'no_such_package'; it may" in line
    (project / "mine" / "metrics.py").write_text("raise SystemExit('a script')\n")
    assert main(["params.yaml"]) == 2
    assert "mine/metrics.py cannot be run: SystemExit: a script" in capsys.readouterr().err


def test_dvc_watches_their_files_and_no_earlier_ones(project):
    params, problems = parse_params(OWN)
    assert params is not None, problems
    assert unwatched_files(project, params, "validate") == ["mine/rules.py"]
    assert must_fetch(project, params)
    own = [f"mine/{name}.py" for name in ("sources", "rules", "scalers", "losses", "metrics")]
    assert watch(project, params) == ["orders.txt", *own]
    assert [unwatched_files(project, params, stage) for stage in DEPS] == [[]] * 6
    stages = YAML(typ="safe").load(project / "dvc.yaml")["stages"]
    assert stages["fetch"]["deps"] == [*DEPS["fetch"][:2], "orders.txt", "mine/sources.py"]
    assert stages["validate"]["deps"] == [*DEPS["validate"][:2], "mine/rules.py"]
    assert stages["train"]["deps"] == [*DEPS["train"][:2], "mine/losses.py"]
    assert stages["register"]["deps"] == DEPS["register"]
    assert not must_fetch(project, params)
    plain, _ = parse_params({"project": "own", "fetch": {"source": "sklearn"}})
    assert plain is not None
    (project / "data" / "schemas" / "own.yaml").write_text("checks: []\n")
    assert watch(project, plain) == []
    assert "mine/" not in (project / "dvc.yaml").read_text()


def test_members_of_an_ensemble_and_of_lists_are_found(project):
    (project / "mine" / "networks.py").write_text("")
    options = {"member": "mine.networks:Wide", "more": ["mine.losses:Focal", "a.b:C"]}
    own = {"network": "ensemble", "options": options}
    params, problems = parse_params(params_with() | {"train": own})
    assert params is not None, problems
    assert files_of_stage(project, params, "train") == ["mine/networks.py", "mine/losses.py"]
