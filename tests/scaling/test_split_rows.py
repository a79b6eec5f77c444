"""The split as the scale stage makes it, from tables that are not like the textbook's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import Workspace, replace_folder
from layerline.config import Component, ScaleSection, ValidateSection, WindowSection, parse_params
from layerline.errors import DataError
from layerline.retraining.new_data import trained_rows
from layerline.scaling.scale import scale
from layerline.scaling.splitting.row_hash import hash_rows, shares_of
from layerline.tables.storage import write_table
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw


def scaled(
    tmp_path: Path,
    frame: pd.DataFrame,
    task: str = "binary",
    window: WindowSection | None = None,
    weights: str | None = None,
    **split: object,
) -> tuple[dict[str, int], dict[str, np.ndarray], list[str]]:
    """The rows of each split, their targets, and the notes."""
    workspace = Workspace(tmp_path)
    about = {"kind": "table", "source": "files", "target": "target", "task": task}
    about |= {} if weights is None else {"weights": weights}
    with replace_folder(workspace.raw, {**about, "split_column": None, "origin": {}}) as folder:
        write_table(folder / "table.parquet", frame)
    write_schema(tmp_path / "schema.yaml", infer_schema(frame, "target", task))
    validate_raw(workspace, ValidateSection(min_class_rows=1), Path("schema.yaml"))
    notes: list[str] = []
    section = ScaleSection(split=Component(name="hash", options=split), window=window)
    manifest = scale(workspace, section, seed=0, report=notes.append)
    names = ("train", "valid", "test")
    return (
        manifest["n_rows"],
        {name: np.load(workspace.scaled / f"{name}_y.npy") for name in names},
        notes,
    )


def passengers() -> pd.DataFrame:
    """2,200 rows of 16 kinds; each kind has a chance of its own."""
    generator = np.random.default_rng(8)
    sizes = [180, 5, 140, 2, 170, 12, 90, 14, 550, 50, 165, 30, 760, 1, 30, 1]
    kind = generator.permutation(np.repeat(np.arange(16), sizes))
    chance = generator.uniform(0.1, 0.9, 16)
    return pd.DataFrame(
        {
            "deck": np.array(["first", "second", "third", "crew"])[kind // 4],
            "sex": np.array(["man", "woman"])[kind // 2 % 2],
            "age": np.array(["adult", "child"])[kind % 2],
            "target": np.where(generator.random(2200) < chance[kind], "yes", "no"),
        }
    )


def test_a_table_of_few_kinds_of_rows_has_its_shares_and_every_kind_in_train(
    tmp_path: Path,
) -> None:
    n_rows, _, notes = scaled(tmp_path, passengers())
    assert n_rows["valid"] == pytest.approx(330, abs=60)
    assert n_rows["test"] == pytest.approx(440, abs=70)
    assert any("different combinations of features" in note for note in notes)
    x = np.load(tmp_path / "data" / "scaled" / "train_x.npy")
    assert len(np.unique(x, axis=0)) >= 12


@pytest.mark.parametrize("window", [WindowSection(rows=100), WindowSection(days=50, by="day")])
def test_of_the_train_rows_only_those_in_the_window_stay(
    tmp_path: Path, window: WindowSection
) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": generator.normal(size=400).round(4),
            "day": np.arange(400.0),
            "target": generator.normal(size=400),
        }
    )
    without, targets, _ = scaled(tmp_path / "all", frame, "regression")
    n_rows, _, _ = scaled(tmp_path / "window", frame, "regression", window)
    rows = np.load(tmp_path / "window" / "data" / "scaled" / "train_row.npy")
    assert window.rows in (None, n_rows["train"])
    assert rows.min() >= (200 if window.rows else 350)
    for split in ("valid", "test"):
        assert n_rows[split] == without[split] == len(targets[split])
    left = np.load(tmp_path / "window" / "data" / "scaled" / "left_out_id.npy")
    assert len(left) == without["train"] - n_rows["train"]
    known = trained_rows(Workspace(tmp_path / "window"))
    assert known is not None
    assert len(known) == 400


@pytest.mark.parametrize("by", [{"half_life_rows": 50}, {"half_life_days": 70, "by": "day"}])
@pytest.mark.parametrize("weights", [None, "price"])
def test_the_weight_of_a_train_row_halves_with_its_age(
    tmp_path: Path, by: dict[str, object], weights: str | None
) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": generator.normal(size=400).round(4),
            "day": np.arange(400.0),
            "price": generator.uniform(1, 2, 400),
            "target": generator.normal(size=400),
        }
    )
    scaled(tmp_path, frame, "regression", WindowSection(**by), weights=weights)
    folder = tmp_path / "data" / "scaled"
    found = {
        name: [np.load(folder / f"{name}_{kind}.npy") for kind in ("row", "weight")]
        for name in ("train", "valid", "test")
    }
    price = frame["price"].to_numpy() if weights else np.ones(400)
    for name in ("valid", "test"):
        rows, given = found[name]
        assert given.tolist() == price[rows].tolist()
    rows, given = found["train"]
    of_age = given / price[rows]
    assert of_age.mean() == pytest.approx(1)
    if "by" in by:
        assert np.log2(of_age[-1] / of_age) == pytest.approx((rows[-1] - rows) / 70)
    else:
        assert of_age[-1] / of_age[-51] == pytest.approx(2)
        assert of_age[-1] / of_age[-101] == pytest.approx(4)


def test_rows_of_a_thousand_half_lives_ago_still_count(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(300.0), "target": np.arange(300.0) % 7 * 1.1})
    scaled(tmp_path, frame, "regression", WindowSection(half_life_rows=0.2))
    weights = np.load(tmp_path / "data" / "scaled" / "train_weight.npy")
    assert weights.min() > 0
    assert weights.max() == weights[-1] == pytest.approx(len(weights), rel=0.1)


def test_a_window_is_of_rows_or_of_days() -> None:
    twice = {"half_life_rows": 2, "half_life_days": 3, "by": "day"}
    without = ({"half_life_days": 3}, {"half_life_rows": 3, "by": "day"}, twice)
    for window in ({"rows": 5, "days": 3}, {"days": 3}, {"by": "day"}, {}, *without):
        _, problems = parse_params(
            {"project": "a", "fetch": {"source": "files"}, "scale": {"window": window}}
        )
        told = "scale.window: give either `rows: n`, or `days: n` and `by: COLUMN`"
        assert told in str(problems[0])


def test_a_rare_class_is_in_every_split_and_warned_of(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    x = generator.normal(size=(4000, 3)).round(3)
    y = np.zeros(4000, dtype=np.int64)
    y[np.argsort(x[:, 0])[-5:]] = 1
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(target=y)
    _, targets, notes = scaled(tmp_path, frame)
    assert {name: int(y.sum()) for name, y in targets.items()} == {
        "train": 3,
        "valid": 1,
        "test": 1,
    }
    assert any("class 1 has 3 train, 1 validation and 1 test rows" in note for note in notes)


def test_each_row_ten_times_stays_in_one_split_with_the_right_shares(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    once = pd.DataFrame({"a": generator.normal(size=40), "b": generator.normal(size=40)})
    frame = pd.concat([once.assign(target=once["a"] * 2 + once["b"])] * 10, ignore_index=True)
    n_rows, targets, _ = scaled(tmp_path, frame, "regression")
    assert n_rows["test"] == pytest.approx(80, abs=10)
    assert n_rows["valid"] == pytest.approx(60, abs=10)
    seen = [set(y.tolist()) for y in targets.values()]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]


def test_no_feature_is_called_what_it_is(tmp_path: Path) -> None:
    names = [f"customer {k}" for k in range(60)]
    frame = pd.DataFrame({"name": names, "target": np.resize([0, 1], 60)})
    with pytest.raises(DataError, match=r"there is nothing to learn 'target' from: .*'name'"):
        scaled(tmp_path, frame)


def test_rows_that_are_all_alike_are_called_so(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5] * 60, "target": np.resize([0, 1], 60)})
    with pytest.raises(DataError, match="nothing to learn"):
        scaled(tmp_path, frame)


def test_a_table_that_was_cut_is_asked_about_before_any_salt(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(6) * 1.37, "target": np.arange(6) * 0.5})
    salts = [salt for salt in range(20) if not fills(frame, salt)]
    with pytest.raises(
        DataError, match=r"the whole table has 6 rows.*source is complete.*set `sal"
    ):
        scaled(tmp_path, frame, "regression", salt=salts[0])


def fills(frame: pd.DataFrame, salt: int) -> bool:
    """Whether the salt leaves no split empty."""
    shares = shares_of(hash_rows(frame[["a"]]), salt)
    return bool((shares < 0.2).any() and ((shares >= 0.2) & (shares < 0.35)).any())
