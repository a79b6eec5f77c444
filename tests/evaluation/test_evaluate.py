"""The whole stage on small real artifacts: a table of two classes, numbers, images."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from layerline.artifacts import Workspace, read_json, replace_folder, sha256_of
from layerline.columns.spec import ColumnSpec
from layerline.config import (
    Component,
    EvaluateSection,
    FetchSection,
    Params,
    ScaleSection,
    TrainSection,
)
from layerline.config.evaluation_sections import ConformalSection
from layerline.errors import LayerlineError, ParamsError
from layerline.evaluation.baseline_models import CLASSIFIERS, REGRESSORS
from layerline.evaluation.baselines import fitting_baselines
from layerline.evaluation.evaluate import evaluate
from layerline.evaluation.looks import MANY, note_look
from layerline.evaluation.metrics import CLASSIFICATION, REGRESSION
from layerline.networks import build_network
from layerline.networks.serialization import NetworkSpec, load_network, save_network
from layerline.networks.signed_weights import SignedWeights
from layerline.scaling.scale import scale
from layerline.tables.storage import write_images, write_table

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = (
    ColumnSpec("size", "number", "float64", nullable=True),
    ColumnSpec("soil", "category", "str", levels=("clay", "sand")),
)


def frame(n_rows: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    size, soil = generator.normal(5, 2, n_rows), generator.choice(["clay", "sand"], n_rows)
    height = 3 * size + 5 * (soil == "sand") + generator.normal(0, 2, n_rows)
    kind = np.where(height > height.mean(), "tall <b>|", "low")
    gaps = np.where(generator.random(n_rows) < 0.1, np.nan, size)
    return pd.DataFrame({"size": gaps, "soil": soil, "kind": kind, "height": height})


def about(
    kind: str,
    target: ColumnSpec,
    classes: list[Any] | None,
    n_rows: int,
    columns: Sequence[ColumnSpec] = COLUMNS,
    file: str = "table.csv",
) -> dict[str, Any]:
    task = "regression" if classes is None else "binary" if len(classes) == 2 else "multiclass"
    columns = [target] if kind == "images" else [*columns, target]
    return {
        "kind": kind,
        "source": "files",
        "raw_sha256": {file: "a" * 64},
        "target": target.name,
        "task": task,
        "classes": classes,
        "split_column": None,
        "n_rows": n_rows,
        "columns": [column.to_dict() for column in columns],
    }


def make(name: str, root: Path, hostile: str = "") -> Workspace:
    """Artifacts of a small network; `hostile` is added to every name, level and class."""
    workspace = Workspace(root)
    classes: list[Any] | None = None
    if name == "images":
        generator = np.random.default_rng(0)
        classes, labels = [0, 1, 2], generator.integers(0, 3, 200)
        images = generator.integers(0, 255, (200, 6, 5), dtype=np.uint8)
        target = ColumnSpec("digit", "category", "int64", levels=(0, 1, 2))
        with replace_folder(workspace.validated, about(name, target, classes, 200)) as folder:
            write_images(folder, images, pd.DataFrame({"digit": labels}))
    else:
        other = "height" if name == "kind" else "kind"
        table = frame().drop(columns=other)
        for column in table.select_dtypes(["object", "str"]):
            table[column] += hostile
        table.columns = [f"{column}{hostile}" for column in table]
        classes = sorted(table[f"{name}{hostile}"].unique()) if name == "kind" else None
        kind = "number" if classes is None else "category"
        target = ColumnSpec(f"{name}{hostile}", kind, "float64")
        size, soil = (dataclasses.replace(c, name=f"{c.name}{hostile}") for c in COLUMNS)
        soil = dataclasses.replace(soil, levels=tuple(f"{n}{hostile}" for n in soil.levels))
        facts = about("table", target, classes, 300, (size, soil), f"table{hostile}.csv")
        with replace_folder(workspace.validated, facts) as folder:
            write_table(folder / "table.parquet", table)
    data = scale(workspace, ScaleSection(), seed=0)
    torch.manual_seed(0)
    spec = NetworkSpec(
        network="mlp",
        options={"hidden": [8], "dropout": 0.0},
        input_shape=tuple(data["shape"]),
        d_out=1 if classes is None else len(classes),
        task=data["task"],
        classes=None if classes is None else tuple(classes),
        target_center=data["target_center"],
        target_scale=data["target_scale"],
    )
    network = build_network(
        spec.network, spec.options, input_shape=spec.input_shape, d_out=spec.d_out
    )
    with replace_folder(workspace.network, {"kept_epoch": 2, "threads": 1}) as folder:
        save_network(folder, network, spec)
    workspace.reports.mkdir()
    lines = ["epoch,train_loss,valid_loss", "1,2.0,2.0", "2,1.0,1.0", "3,0.9,1.05"]
    (workspace.reports / "history.csv").write_text("\n".join(lines) + "\n")
    return workspace


def params(**section: Any) -> Params:
    given = {"slices": (), "baselines": (), "bootstrap": 200} | section
    fetch = FetchSection(source="files", target="kind")
    return Params(project="flowers", fetch=fetch, evaluate=EvaluateSection(**given))


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[[str], Workspace]:
    return lambda name: make(name, tmp_path / name)


@pytest.mark.parametrize("name", ["kind", "height", "images"])
def test_everything_is_written_and_twice_the_same_bytes(
    name: str, workspace: Callable[[str], Workspace]
) -> None:
    made = workspace(name)
    slices = () if name == "images" else ("soil", "size")
    metrics = evaluate(made, params(slices=slices))
    assert metrics == read_json(made.reports / "metrics.json")
    assert set(metrics) == {"train", "valid", "test"}
    assert set(metrics["test"]) == set(REGRESSION if name == "height" else CLASSIFICATION)
    found = read_json(made.reports / "evaluation.json")
    assert set(found["intervals"]) == set(metrics["test"])
    files = [path for path in sorted(made.root.rglob("*")) if path.is_file()]
    before = {path: sha256_of(path) for path in files}
    evaluate(made, params(slices=slices))
    assert before == {path: sha256_of(path) for path in files}
    wanted = {
        "kind": {"confusion.png", "curves.png", "roc.csv", "pr.csv", "thresholds.csv"},
        "height": {"residuals.png", "deciles.csv"},
        "images": {"confusion.png", "mistakes.png", "calibration.csv"},
    }[name]
    there = {path.name for path in made.plots.iterdir()}
    assert wanted | {"learning_curves.png", "predictions.csv"} <= there
    stages = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")
    for plot in (next(iter(p.values())) for p in stages["plots"] if isinstance(p, dict)):
        for file, columns in plot["y"].items():
            listed = columns if isinstance(columns, list) else [columns]
            assert {*listed, plot["x"]} <= set(pd.read_csv(made.root / file).columns)
    if name != "images":
        assert [s["column"] for s in found["slices"]][:2] == ["soil", "soil"]
        assert {c["column"] for c in found["importance"]["columns"]} == {"size", "soil"}


def test_a_threshold_changes_the_recorded_predictions_alike(
    workspace: Callable[[str], Workspace],
) -> None:
    made = workspace("kind")
    evaluate(made, params(threshold=0.9, positive="low"))
    table = pd.read_parquet(made.predictions)
    assert ((table["probability_low"] >= 0.9) == (table["prediction"] == "low")).all()
    decision = json.loads((made.decision / "decision.json").read_text())
    assert (decision["threshold"], decision["positive"]) == (0.9, "low")
    metrics = read_json(made.reports / "metrics.json")
    right = (table["prediction"] == table["actual"]).mean()
    assert metrics["test"]["accuracy"] == pytest.approx(right)
    card = (made.reports / "model_card.md").read_text()
    assert "`low` is predicted from a probability of 0.9 upwards." in card


@pytest.mark.parametrize("name", ["kind", "height"])
def test_baselines_stand_in_the_same_table_and_beat_a_network_without_training(
    name: str, workspace: Callable[[str], Workspace]
) -> None:
    made = workspace(name)
    section = params(baselines=("majority", "linear", "gradient_boosting"))
    metrics = evaluate(made, section)
    found = read_json(made.reports / "evaluation.json")
    assert set(found["baselines"]) == set(CLASSIFIERS) == set(REGRESSORS)
    for figures in found["baselines"].values():
        assert set(figures) <= set(metrics["test"])
    assert "not worth it" in found["worth"]
    main = "rmse" if name == "height" else "log_loss"
    assert found["baselines"]["linear"][main] < found["baselines"]["majority"][main]
    card = (made.reports / "model_card.md").read_text()
    assert "| gradient_boosting |" in card


def test_the_card_shows_whether_predictions_rise_with_a_monotone_column(
    workspace: Callable[[str], Workspace],
) -> None:
    made = workspace("height")
    network, spec = load_network(made.network)
    given = dataclasses.replace(params(), train=TrainSection(monotone={"size": "decreasing"}))
    evaluate(made, given)  # a network that nobody kept monotone
    (found,) = read_json(made.reports / "evaluation.json")["monotone"]
    assert found["worst"] > 0.01
    assert "| size | decreasing | no: " in (made.reports / "model_card.md").read_text()
    SignedWeights([network], (-1, *[0] * (spec.input_shape[0] - 1)), (1,)).begin()
    with replace_folder(made.network, {"kept_epoch": 2, "threads": 1}) as folder:
        save_network(folder, network, spec)
    evaluate(made, given)
    (found,) = read_json(made.reports / "evaluation.json")["monotone"]
    assert (found["column"], found["worst"]) == ("size", 0)
    assert "| size | decreasing | yes |" in (made.reports / "model_card.md").read_text()


def test_the_card_cannot_be_broken_out_of_and_axe_finds_nothing_serious(
    workspace: Callable[[str], Workspace], obstacles: Callable[..., list[str]]
) -> None:
    made = workspace("kind")
    evaluate(made, params(slices=("kind",)))
    page = (made.reports / "model_card.html").read_text()
    assert "tall <b>" not in page
    assert "tall &lt;b&gt;|" in page
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page.replace("http-equiv", "")
    card = (made.reports / "model_card.md").read_text()
    assert r"tall &lt;b>\|" in card
    for name in ("learning_curves", "confusion", "curves"):
        assert f"](plots/{name}.png)" in card
    assert obstacles(made.reports / "model_card.html") == []


@pytest.mark.parametrize(("name", "by"), [("kind", "kind"), ("height", "soil")])
def test_coverage_by_slice_is_in_the_report_and_the_card(
    name: str, by: str, workspace: Callable[[str], Workspace]
) -> None:
    made = workspace(name)
    evaluate(made, params(slices=("size",), conformal=ConformalSection(level=0.8, by=by)))
    found = read_json(made.reports / "evaluation.json")["coverage"]
    assert [s["column"] for s in found][-2:] == [by, by]
    assert {s["asked"] for s in found} == {0.8}
    card = (made.reports / "model_card.md").read_text()
    assert "Coverage by slice" in card
    assert f"| {by} = " in card
    evaluate(made, params())
    assert "coverage" not in read_json(made.reports / "evaluation.json")


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "not kept"])
def test_the_card_says_what_learnt_from_an_ensemble(
    is_kept: bool, workspace: Callable[[str], Workspace]
) -> None:
    made = workspace("height")
    network, spec = load_network(made.network)
    member = {"seed": 0, "value": 0.5, "epoch": 2, "weight": 0.5, "drawn": {}}
    distilled = {"value": 0.41, "ensemble": 0.4, "is_kept": is_kept, "epoch": 1}
    about = {"kept_epoch": 2, "threads": 1, "members": [member] * 2, "distilled": distilled}
    with replace_folder(made.network, about) as folder:
        save_network(folder, network, spec)
    evaluate(made, params())
    card = (made.reports / "model_card.md").read_text()
    assert "learnt their answers: validation loss 0.41, the ensemble's 0.4" in card
    assert ("an `mlp` network that learnt the answers of 2 others" in card) is is_kept
    assert ("as much as that of one network" in card) is is_kept


def test_hostile_columns_levels_and_files_are_escaped(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    made = make("kind", tmp_path, script)
    evaluate(made, params(slices=(f"soil{script}", f"size{script}"), baselines=("linear",)))
    for file in ("model_card.md", "model_card.html"):
        text = (made.reports / file).read_text()
        assert "<script" not in text
        for named in ("size", "soil", "kind", "clay", "low", "table"):
            assert f"{named}&lt;script" in text


def test_what_does_not_fit_is_refused_and_earlier_reports_stay(
    workspace: Callable[[str], Workspace],
) -> None:
    made = workspace("kind")
    evaluate(made, params())
    before = (made.reports / "metrics.json").read_bytes()
    with pytest.raises(ParamsError, match=r"evaluate\.slices\.0: the data have no column 'soli'"):
        evaluate(made, params(slices=("soli",)))
    assert (made.reports / "metrics.json").read_bytes() == before


def test_looks_are_counted_by_decision_and_many_of_them_are_warned_about(
    workspace: Callable[[str], Workspace],
) -> None:
    made = workspace("kind")
    for threshold in (0.3, 0.4, 0.4):
        evaluate(made, params(threshold=threshold))
    found = read_json(made.reports / "evaluation.json")["test_looks"]
    assert (found["count"], found["warning"]) == (2, "")
    text = "These test rows have been looked at 2 times"
    assert text in (made.reports / "model_card.md").read_text().partition("## Limits")[2]
    for number in range(MANY):
        note_look(made, network=str(number))
    evaluate(made, params(threshold=0.4))
    assert read_json(made.reports / "evaluation.json")["test_looks"]["count"] == MANY + 2
    card = (made.reports / "model_card.md").read_text()
    assert "one would be above its interval by luck" in card.partition("## Data")[0]


def test_baselines_decide_by_the_costs_of_the_classes_too(
    workspace: Callable[[str], Workspace],
) -> None:
    made = workspace("kind")
    costs = {"low": {"tall <b>|": 50.0}}
    evaluate(made, params(class_costs=costs, baselines=("majority", "linear")))
    report = read_json(made.reports / "evaluation.json")
    shares = np.load(made.scaled / "test_y.npy", allow_pickle=False).mean()
    # Whoever knows the shares alone takes each row for the one that it costs much to miss.
    assert report["baselines"]["majority"]["mean_cost"] == pytest.approx(shares)
    assert report["baselines"]["linear"]["mean_cost"] < shares
    assert "its test mean_cost is" in report["worth"]
    table = (made.reports / "model_card.md").read_text().partition("## Is the network worth it?")[2]
    assert "mean_cost" in table.partition("##")[0]


def test_a_baseline_that_fails_is_reported(workspace: Callable[[str], Workspace]) -> None:
    made = workspace("kind")
    spec = made.network / "spec.json"
    with (
        fitting_baselines(["no such"], made.scaled, spec, 0) as baselines,
        pytest.raises(LayerlineError, match="could not be fitted: KeyError: 'no such'"),
    ):
        baselines()


def test_options_of_a_loss_leave_the_diagnosis_without_a_guess(
    workspace: Callable[[str], Workspace],
) -> None:
    made = workspace("kind")
    evaluate(made, params())
    # The curves end at 1.05 nats, a guess gives 0.69.
    assert "Under-fitting" in read_json(made.reports / "evaluation.json")["diagnosis"]
    focal = TrainSection(loss=Component(name="focal"))
    evaluate(made, dataclasses.replace(params(), train=focal))
    assert "epoch 2 of 3" in read_json(made.reports / "evaluation.json")["diagnosis"]
