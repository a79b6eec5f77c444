"""The past replayed: equal trainings once, a table per policy, and the drift that was planted."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from layerline.artifacts import Workspace, replace_folder
from layerline.cli import main
from layerline.columns.spec import ColumnSpec
from layerline.config import (
    DriftSection,
    Params,
    TransferSection,
    WhenSection,
    load_params,
    parse_params,
)
from layerline.errors import ParamsError
from layerline.retraining.backtest import replay
from layerline.retraining.past_periods import Past
from layerline.tables.storage import write_table

N_WEEKS = 8
COLUMNS = (
    ColumnSpec("when", "date", "datetime64[us]", use=False),
    ColumnSpec("a", "number", "float64"),
    ColumnSpec("b", "number", "float64"),
    ColumnSpec("price", "number", "float64"),
)
PARAMS = {
    "project": "shop",
    "fetch": {"source": "files", "target": "price"},
    "train": {"epochs": 4, "batch_size": 64, "options": {"hidden": [16]}},
    "evaluate": {"bootstrap": 0, "baselines": []},
}


def sales(per_week: int = 150, seed: int = 0) -> pd.DataFrame:
    """Weeks of sales, shuffled; in the fifth `a` moves, and with it what the price means."""
    generator = np.random.default_rng(seed)
    week = np.repeat(np.arange(N_WEEKS), per_week)
    a = generator.normal(size=len(week)) + 3 * (week >= 4)
    b = generator.normal(size=len(week))
    price = np.where(week >= 4, 20 - 4 * a, 3 * a) + b + generator.normal(0, 0.1, len(week))
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * week, unit="D")
    frame = pd.DataFrame({"when": when.astype("datetime64[us]"), "a": a, "b": b, "price": price})
    return frame.sample(frac=1, random_state=0, ignore_index=True)


@pytest.fixture
def shop(tmp_path) -> tuple[Workspace, Params]:
    workspace = Workspace(tmp_path)
    about = {
        "kind": "table",
        "source": "files",
        "raw_sha256": {},
        "target": "price",
        "task": "regression",
        "classes": None,
        "split_column": None,
        "n_rows": len(sales()),
        "columns": [column.to_dict() for column in COLUMNS],
    }
    with replace_folder(workspace.validated, about) as folder:
        write_table(folder / "table.parquet", sales())
    (tmp_path / "params.yaml").write_text(json.dumps(PARAMS))
    params, problems = parse_params(PARAMS)
    assert params is not None, problems
    return workspace, params


def test_policies_share_trainings_and_a_second_run_trains_nothing(shop):
    workspace, params = shop
    told: list[str] = []
    past = Past(workspace, params, "when", "week", told.append)
    assert past.names[0] == "2024-01-01"
    assert len(past.names) == N_WEEKS
    found = replay(past, 2, ("always", "drift"), DriftSection())
    never, always, drift = (result.to_json(found[0]) for result in found)
    assert (never["trainings"], always["trainings"]) == (1, N_WEEKS - 2)
    assert 2 <= drift["trainings"] < always["trainings"]
    assert len(told) == always["trainings"]  # what `drift` trained, `always` had trained before
    assert always["live_score"] < never["live_score"]
    assert always["gain_lower"] > 0
    assert drift["live_score"] < never["live_score"]
    assert found[2].trained[1] == 4  # the week that moved
    again = replay(
        Past(workspace, params, "when", "week", told.append), 2, ("drift",), DriftSection()
    )
    assert len(told) == always["trainings"]
    assert again[1].to_json(again[0]) == drift


def test_weights_that_halve_with_age_are_a_policy_of_their_own(shop):
    workspace, params = shop
    told: list[str] = []
    past = Past(workspace, params, "when", "week", told.append)
    found = replay(past, 6, ("always", "weighted"), DriftSection())
    never, always, weighted = (result.to_json(found[0]) for result in found)
    assert len(told) == always["trainings"] + weighted["trainings"] == 4
    assert "weighted by age" in told[-1]
    assert weighted["live_score"] != always["live_score"]
    assert never["params"] == {}
    # Six of eight weeks, whose first and last day are 49 days apart.
    window = {"half_life_days": 42.0, "by": "when"}
    assert weighted["params"] == {"retrain.when": {}, "scale.window": window}
    Past(workspace, params, "when", "week", told.append).fitted(5, past.halving(6))
    assert len(told) == 4
    past.rows["when"] = past.rows["when"].astype(str)
    with pytest.raises(ParamsError, match="need dates or numbers, and 'when' is text"):
        past.halving(6)


def test_a_killed_training_is_made_again_and_another_choice_is_another_past(shop):
    workspace, params = shop
    told: list[str] = []
    past = Past(workspace, params, "when", "month", told.append)
    past.fitted(0)
    (folder,) = (workspace.root / ".layerline" / "backtest").iterdir()
    (folder / ".until-1.tmp").mkdir()
    (folder / ".until-1.tmp" / "bundle").mkdir()  # what a kill leaves
    assert past.fitted(1).seconds > 0
    other = dataclasses.replace(params, seed=1)
    Past(workspace, other, "when", "month", told.append).fitted(0)
    assert len(told) == 3


@pytest.mark.parametrize(
    ("by", "every", "first", "message"),
    [
        ("wen", "week", 2, "did you mean 'when'"),
        ("a", "week", 2, "'a' holds no dates; use --every value"),
        ("when", "week", 7, "the past has 8 periods"),
    ],
)
def test_a_past_that_cannot_be_replayed_is_refused(shop, by, every, first, message):
    workspace, params = shop
    with pytest.raises(ParamsError, match=message):
        replay(Past(workspace, params, by, every, print), first, ("always",), DriftSection())


def test_transfer_is_refused(shop):
    workspace, params = shop
    section = dataclasses.replace(params.train, transfer=TransferSection(source="local"))
    with pytest.raises(ParamsError, match="trains from scratch"):
        Past(workspace, dataclasses.replace(params, train=section), "when", "week", print)


def test_the_command_writes_the_list_and_the_page(shop, monkeypatch, obstacles):
    workspace, _ = shop
    monkeypatch.chdir(workspace.root)
    options = ["backtest", "--by", "when", "--every", "month", "--policy", "always"]
    done = CliRunner().invoke(main, [*options, "--first", "1", "--json"])
    assert done.exit_code == 2
    assert "the past has 2 periods" in done.output
    done = CliRunner().invoke(main, [*options[:3], "--every", "week", "--first", "6", "--json"])
    assert done.exit_code == 0, done.output
    policies = json.loads(done.stdout)
    folder = workspace.reports / "backtest"
    assert policies == json.loads((folder / "backtest.json").read_text())
    assert [policy["policy"] for policy in policies] == ["never", "always", "drift", "weighted"]
    assert all({"live_score", "trainings", "seconds"} <= set(policy) for policy in policies)
    assert "data:image/png" in (folder / "backtest.html").read_text()
    assert obstacles(folder / "backtest.html") == []


def test_the_best_policy_is_written_into_params_only_if_it_is_surely_better(shop, monkeypatch):
    workspace, _ = shop
    monkeypatch.chdir(workspace.root)
    command = ["backtest", "--by", "when", "--apply", "--first", "3", "--policy"]
    done = CliRunner().invoke(main, [*command, "never"])
    assert "none is surely better than never" in done.output
    assert load_params(workspace.params).retrain.when == WhenSection()
    done = CliRunner().invoke(main, [*command, "drift"])
    assert "drift is best; params.yaml has it" in done.output
    assert load_params(workspace.params).retrain.when == WhenSection(drift=True)
