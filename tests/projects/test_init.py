import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from click.testing import CliRunner

from layerline.cli import main
from layerline.cli.init import _project_name
from layerline.columns import category, numbered_dates
from layerline.config import parse_params
from layerline.config.data_sections import Task
from layerline.errors import DataError, ParamsError, SourceError
from layerline.projects.combinations import combination_problems
from layerline.projects.init import Wishes, start_project
from layerline.projects.params_text import best_training, default_training
from layerline.projects.preflight import load_checked
from layerline.sources.reading.reader import read_frame
from layerline.validation.schema import advice as advising
from layerline.validation.schema.advice import advice
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import schema_text


def test_params_are_valid_and_point_at_the_file(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "t.csv"
    frame.to_csv(file, index=False, sep=";")
    start = start_project(file, "kind", "demo", root=tmp_path)
    (tmp_path / "params.yaml").write_text(start.params_text)
    params = load_checked(tmp_path / "params.yaml")
    assert params.fetch.options == {"path": "mine/t.csv"}
    assert params.fetch.task == start.schema.task == "multiclass"
    assert params.scale.split.name == "hash"
    assert params.schema_path == Path("data/schemas/demo.yaml")
    assert any("'note' is not used" in note for note in start.notes)


def test_column_split_is_used_and_reported(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame["split"] = ["train", "valid", "test"] * 20
    frame.to_parquet(tmp_path / "t.parquet")
    start = start_project(tmp_path / "t.parquet", "kind", "demo", root=tmp_path / "elsewhere")
    assert start.params["scale"]["split"] == {"method": "column", "column": "split"}
    assert start.params["fetch"]["options"] == {"path": "../t.parquet"}
    assert not start.schema["split"].use
    assert "'split' has the split of each row" in start.notes[-1]


@pytest.mark.parametrize(
    "target", ["#odd: name", 'quo"te', "line\nbreak", "{}", "ünï", "123", "null"]
)
def test_any_target_name(target: str, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pd.DataFrame({"x": [1, 2, 3, 4], target: ["a\nb", "b", "a\nb", "b"]}).to_parquet(file)
    start = start_project(file, target, "demo")
    assert start.params["fetch"]["target"] == target


def test_mistakes(csv_file: Callable[..., Path]) -> None:
    file = csv_file("price,y\n1,a\n2,b\n")
    with pytest.raises(DataError, match="did you mean 'price'"):
        start_project(file, "prize", "demo")
    with pytest.raises(ParamsError, match="project"):
        start_project(file, "y", "no spaces, please")


def test_dates_are_trend_and_season(csv_file: Callable[..., Path]) -> None:
    rows = "".join(f"{1 + n % 28}.{1 + n % 12}.2024,{n}.5\n" for n in range(60))
    start = start_project(csv_file(f"day,y\n{rows}"), "y", "demo")
    assert start.params["scale"]["dates"] == "calendar"
    plain = start_project(csv_file("day,y\n1,2.5\n2,3.5\n"), "y", "demo")
    assert "dates" not in plain.params["scale"]


def test_messages_name_the_options_of_the_command(csv_file: Callable[..., Path]) -> None:
    file = csv_file("a,y\n03/04/2024,1\n05/06/2024,2\n")
    with pytest.raises(DataError, match="set --dates to 'day_first'"):
        start_project(file, "y", "demo")
    with pytest.raises(DataError, match="set --target to one of its"):
        start_project(csv_file("a,y\n1,2\n"), "z", "demo")
    file = csv_file("a,y\n1,2\n")
    with pytest.raises(SourceError, match="correct FILE"):
        start_project(file.with_name("other.csv"), "y", "demo")
    with pytest.raises(ParamsError, match="is of an unknown kind"):
        start_project(file.rename(file.with_suffix(".dat")), "y", "demo")


def test_a_link_is_written_as_the_link_that_it_is(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "months").mkdir()
    frame.to_csv(tmp_path / "months" / "may.csv", index=False)
    (tmp_path / "latest.csv").symlink_to("months/may.csv")
    (tmp_path / "newest").symlink_to("months")
    for name in ("latest.csv", "newest/may.csv"):
        start = start_project(tmp_path / name, "kind", "demo", root=tmp_path)
        assert start.params["fetch"]["options"]["path"] == name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("shop.csv.gz", "shop"),
        ("Größe der Häuser.csv", "Gro-e-der-Hauser"),
        ("東京.csv", "table"),
        ("[may] ${x}.csv", "may-x"),
        ("x" * 200 + ".csv", "x" * 64),
        ("_.csv", "table"),
    ],
)
def test_a_project_is_named_by_its_file(file: str, name: str) -> None:
    assert _project_name(Path(file)) == name
    assert parse_params({"project": name, "fetch": {"source": "files"}})[1] == []


def test_options_about_the_files_are_written(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.csv").write_bytes("Ort;Preis\nKöln;1\nUlm;2\n".encode("cp1252"))
    (tmp_path / "m" / "2.csv").write_bytes("Ort;Garten;Preis\nKöln;1;3\nUlm;0;4\n".encode())
    with pytest.raises(DataError, match="or set --union"):
        start_project(tmp_path / "m", "Preis", "demo", root=tmp_path)
    given = {"union": True, "encoding": "windows-1252"}
    start = start_project(tmp_path / "m", "Preis", "demo", root=tmp_path, given=given)
    assert start.params["fetch"]["options"] == {"path": "m", **given}
    assert "Garten" in [column.name for column in start.schema.columns]
    assert any("1.csv: lacks 'Garten'" in note for note in start.notes)
    assert start.schema["Ort"].levels == ("Köln", "Ulm")


@pytest.mark.parametrize(
    ("n_rows", "epochs", "patience", "members", "folds"),
    [
        (1_999, 200, 40, 8, 8),
        (2_000, 100, 20, 8, 8),
        (4_999, 100, 20, 8, 8),
        (5_000, 100, 20, 8, None),
        (49_999, 100, 20, 8, None),
        (50_000, 100, 20, 4, None),
    ],
)
def test_the_first_training_fits_the_size_of_the_table(
    n_rows: int, epochs: int, patience: int, members: int, folds: int | None
) -> None:
    training = default_training(n_rows, 10, "regression")
    assert training["epochs"] == epochs
    assert training["early_stopping"] == {"patience_epochs": patience}
    assert training["members"] == {"count": members, "keep": "all" if folds else "greedy"}
    assert training.get("folds") == folds


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_trainings_of_classes_cool_down(task: Task) -> None:
    for n_rows, patience in ((4_999, 7), (5_000, 10)):
        stopping = default_training(n_rows, 10, task)["early_stopping"]
        assert stopping == {"patience_epochs": patience, "cooldown_epochs": 5}


@pytest.mark.parametrize(
    ("n_rows", "task", "rate"),
    [
        (4_999, "binary", 0.002),
        (5_000, "binary", 0.004),
        (5_000, "multiclass", 0.004),
        (5_000, "regression", 0.002),
    ],
)
def test_many_rows_of_classes_are_learnt_at_a_higher_rate(
    n_rows: int, task: Task, rate: float
) -> None:
    assert default_training(n_rows, 10, task)["optimizer"]["learning_rate"] == rate


@pytest.mark.parametrize("task", get_args(Task))
def test_few_rows_are_learnt_from_straight_lines_on(task: Task) -> None:
    slopes = [
        default_training(n, 10, task)["options"]["numeric_embeddings"].get("first_slope")
        for n in (4_999, 5_000)
    ]
    assert slopes == [0.3, None]


@pytest.mark.parametrize(("n_rows", "count"), [(4_999, 8), (5_000, 6), (49_999, 6), (50_000, 4)])
def test_classes_have_fewer_members_where_each_takes_longer(n_rows: int, count: int) -> None:
    assert default_training(n_rows, 10, "multiclass")["members"]["count"] == count


@pytest.mark.parametrize(
    ("n_rows", "two_classes", "others"),
    [(4_999, 128, 128), (5_000, 256, 128), (9_999, 256, 128), (10_000, 256, 256)],
)
def test_batches_grow_with_the_table(n_rows: int, two_classes: int, others: int) -> None:
    assert default_training(n_rows, 10, "binary")["batch_size"] == two_classes
    for task in get_args(Task):
        if task != "binary":
            assert default_training(n_rows, 10, task)["batch_size"] == others


def test_a_fast_start_trains_a_single_network(frame: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    frame.to_parquet(file)
    usual = start_project(file, "kind", "demo")
    fast = start_project(file, "kind", "demo", wishes=Wishes("fast"))
    assert usual.params["train"].pop("members") == {"count": 8, "keep": "all"}
    assert usual.params["train"].pop("folds") == 8
    assert fast.params == usual.params
    assert parse_params(fast.params)[1] == []


@pytest.mark.parametrize(("n_rows", "members", "folds"), [(49_999, 16, 8), (50_000, 8, 4)])
def test_the_best_start_fits_the_size_of_the_table(n_rows: int, members: int, folds: int) -> None:
    training = best_training(n_rows)
    assert training["members"] == {"count": members, "keep": "all"}
    assert training["folds"] == folds


def test_the_best_start_has_folds_and_a_budget(frame: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    frame.to_parquet(file)
    params, problems = parse_params(
        start_project(file, "kind", "demo", wishes=Wishes("best")).params
    )
    assert not problems
    assert (params.train.folds, params.train.members.count) == (8, 16)
    assert params.train.early_stopping.time_minutes == 60
    assert not combination_problems(params)


def test_many_levels_are_embedded_so_that_numbers_can_be(tmp_path: Path) -> None:
    names = [f"town {k % 600}" for k in range(1_800)]
    table = pd.DataFrame({"town": names, "size": range(1_800), "price": range(1_800)})
    table.to_parquet(tmp_path / "t.parquet")
    start = start_project(tmp_path / "t.parquet", "price", "demo")
    assert len(start.schema["town"].levels) == 600
    assert start.params["scale"]["categorical"] == "embedding"
    assert start.params["train"]["options"]["numeric_embeddings"]["name"] == "piecewise_linear"
    few = table.assign(town=table["town"].str[:7])
    few.to_parquet(tmp_path / "t.parquet")
    few_start = start_project(tmp_path / "t.parquet", "price", "demo")
    assert few_start.params["scale"]["categorical"] == "one_hot"


@pytest.fixture
def of_each_kind(frame: pd.DataFrame, csv_file: Callable[..., Path]) -> Path:
    """A table with a column for each sentence that `init` may print, and its gaps at odd places."""
    day = pd.date_range("2024-01-01", periods=60)
    frame = frame.assign(
        numbered=day.strftime("%Y%m%d").astype(int),
        not_always=[*day.strftime("%Y%m%d")[:59], "20249999"],
        mostly=[*map(str, range(59)), "unknown"],
        code=[f"{n:05}" for n in range(60)],
        order_id=range(7, 67),
        words=[f"the word {n // 2}" for n in range(60)],
        gaps=[None if n % 7 else n for n in range(60)],
        truth=["yes", "no", None] * 20,
        nothing=None,
    )
    return csv_file(frame.to_csv(index=False))


@pytest.mark.parametrize("at_once", [1, 7])
def test_the_size_of_pieces_changes_nothing(
    of_each_kind: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_frame(of_each_kind)
    schema = infer_schema(whole, "kind", "multiclass")
    usual = start_project(of_each_kind, "kind", "demo")
    for module, name in (category, "AT_ONCE"), (advising, "AT_ONCE"), (numbered_dates, "_AT_ONCE"):
        monkeypatch.setattr(module, name, at_once)
    assert start_project(of_each_kind, "kind", "demo") == usual
    assert schema_text(usual.schema) == schema_text(schema)
    sentences = advice(whole, schema)
    assert len(sentences) > 5
    assert [note for note in usual.notes if note in sentences] == sentences


def test_the_distilled_start_has_members_and_no_folds(frame: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    frame.to_parquet(file)
    start = start_project(file, "kind", "demo", wishes=Wishes("distil"))
    params, problems = parse_params(start.params)
    assert not problems
    assert not combination_problems(params)
    assert (params.train.folds, params.train.members.keep) == (None, "greedy")
    assert params.train.members.distil


def test_where_no_project_is_init_makes_one(
    csv_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that cannot be read leaves nothing behind; a home folder stays one."""
    rows = "".join(f"{n % 7},{'ab'[n % 2]}\n" for n in range(60))
    file = csv_file(f"price,y\n{rows}")
    for name in ("home", "mine"):
        (tmp_path / name).mkdir()
    run = CliRunner().invoke
    monkeypatch.chdir(tmp_path / "mine")
    for arguments in (["absent.csv", "--target", "y"], [str(file), "--target", "z"]):
        assert run(main, ["init", *arguments]).exit_code != 0
    assert not list(Path().iterdir())
    result = run(main, ["init", str(file), "--target", "y"])
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'mine'} is a project now" in result.output
    params = load_checked(Path("params.yaml"))
    assert params.fetch.target == "y"
    # Files in git name nothing of this machine.
    place = os.path.relpath(file)
    assert place.startswith("../")
    assert params.fetch.options["path"] == place
    assert f"- {place}\n" in Path("dvc.yaml").read_text()
    assert f"{place} is outside the project" in result.output
    assert not [
        path for path in Path().rglob("*.yaml") if str(tmp_path) in path.read_text(encoding="utf-8")
    ]
    written = {path.name for path in Path().rglob("*") if path.suffix in (".yaml", ".py")}
    assert {"dvc.yaml", "fetch.py", "register.py"} <= written
    assert not {"digits.yaml", "params.earlier.yaml"} & written
    assert "is a project now" not in run(main, ["init", str(file), "--target", "y"]).output

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    result = run(main, ["init", str(file), "--target", "y"])
    assert (result.exit_code, list(Path().iterdir())) == (2, [])
    assert "this is your home folder" in result.output
