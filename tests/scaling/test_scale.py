"""The scale stage: arrays fit together, and nothing is fitted on a valid or test row."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import Workspace, read_manifest, replace_folder
from layerline.columns.cast import dtype_of as infer_dtype
from layerline.columns.spec import ColumnSpec
from layerline.config import Component, ScaleSection, ValidateSection
from layerline.errors import DataError
from layerline.scaling.preprocessing.dates import DATES
from layerline.scaling.preprocessing.encoders import ENCODERS
from layerline.scaling.preprocessing.imputers import IMPUTERS
from layerline.scaling.preprocessing.scalers import SCALERS
from layerline.scaling.preprocessing.target_transforms import TARGETS
from layerline.scaling.scale import scale
from layerline.tables.storage import write_table
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.validate import validate_raw

SECTION = ScaleSection(split=Component(name="column", options={"column": "part"}))


def table(n_rows: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": generator.normal(50, 10, n_rows),
            "income": np.where(generator.random(n_rows) < 0.2, np.nan, generator.random(n_rows)),
            "city": generator.choice(["Ulm", "Bonn"], n_rows),
            "target": generator.choice(["no", "yes"], n_rows),
            "part": np.resize(["train", "train", "valid", "test"], n_rows),
        }
    )


def validated(tmp_path: Path, frame: pd.DataFrame) -> Workspace:
    workspace = Workspace(tmp_path)
    about = {"kind": "table", "source": "files", "target": "target", "task": "binary"}
    with replace_folder(workspace.raw, {**about, "split_column": None, "origin": {}}) as folder:
        write_table(folder / "table.parquet", frame)
    write_schema(tmp_path / "schema.yaml", infer_schema(frame, "target", "binary"))
    validate_raw(workspace, ValidateSection(), Path("schema.yaml"))
    return workspace


def arrays(workspace: Workspace, kind: str) -> dict[str, np.ndarray]:
    return {s: np.load(workspace.scaled / f"{s}_{kind}.npy") for s in ("train", "valid", "test")}


def test_arrays_fit_together(tmp_path: Path) -> None:
    workspace = validated(tmp_path, table())
    manifest = scale(workspace, SECTION, seed=0)
    x, y, row = (arrays(workspace, kind) for kind in ("x", "y", "row"))
    for split, count in manifest["n_rows"].items():
        assert x[split].shape == (count, len(manifest["features"]))
        assert y[split].shape == row[split].shape == (count,)
        assert x[split].dtype == np.float32
    assert sorted(np.concatenate(list(row.values()))) == list(range(300))
    frame = table()
    for split in row:
        assert (frame["part"].iloc[row[split]] == split).all()
        assert (np.array(["no", "yes"])[y[split]] == frame["target"].iloc[row[split]]).all()
    assert read_manifest(workspace.scaled)["classes"] == ["no", "yes"]


def test_the_split_column_is_no_feature(tmp_path: Path) -> None:
    manifest = scale(validated(tmp_path, table()), SECTION, seed=0)
    assert not [name for name in manifest["features"] if name.startswith("part")]


CHOICES: dict[str, list[Any]] = {
    "numeric": list(SCALERS),
    "missing": [{"name": "constant", "value": 3.0} if m == "constant" else m for m in IMPUTERS],
    "categorical": [*ENCODERS, {"name": "one_hot", "min_count": 40}],
    "dates": list(DATES),
    "target": [Component(name=name) for name in TARGETS],
}


def poisoned(frame: pd.DataFrame) -> pd.DataFrame:
    """Every valid and test row as far off as a row can be."""
    other = frame["part"] != "train"
    return frame.assign(
        age=frame["age"].where(~other, 1e9),
        income=frame["income"].where(~other, np.nan),
        city=frame["city"].where(~other, "Atlantis"),
        since=frame["since"].where(~other, pd.Timestamp("1900-01-01 13:00")),
        target=frame["target"].where(~other, 1e12),
    )


def sealed(root: Path, frame: pd.DataFrame, task: str = "regression") -> Workspace:
    """data/validated without the checks, which would refuse poisoned rows."""
    kinds = {"age": "number", "income": "number", "city": "category", "since": "date"}
    columns = [
        ColumnSpec(name, kind, infer_dtype(frame[name]), nullable=True)
        for name, kind in kinds.items()
    ]
    classes = None if task == "regression" else sorted(frame["target"].unique().tolist())
    columns.append(ColumnSpec("target", "category" if classes else "number", "float64"))
    about = {
        "kind": "table", "source": "files", "raw_sha256": {}, "target": "target", "task": task,
        "classes": classes, "split_column": None, "columns": [c.to_dict() for c in columns],
    }  # fmt: skip
    workspace = Workspace(root)
    with replace_folder(workspace.validated, about) as folder:
        write_table(folder / "table.parquet", frame)
    return workspace


def numbers(n_rows: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    return table(n_rows).assign(
        target=generator.lognormal(0, 1, n_rows),
        since=pd.Timestamp("2020-01-01")
        + pd.to_timedelta(generator.integers(0, 90, n_rows), unit="h"),
        city=generator.choice(["Ulm", "Bonn", "Köln"], n_rows, p=[0.5, 0.4, 0.1]),
    )


@pytest.mark.parametrize(("key", "choice"), [(key, c) for key in CHOICES for c in CHOICES[key]])
def test_no_transformer_ever_sees_a_valid_or_test_row(
    tmp_path: Path, key: str, choice: Any
) -> None:
    """Poison those rows: what was fitted, and what train rows became, stays byte for byte."""
    section = dataclasses.replace(SECTION, **{key: choice})
    made = []
    for name, frame in (("clean", numbers()), ("poisoned", poisoned(numbers()))):
        workspace = sealed(tmp_path / name, frame)
        scale(workspace, section, seed=0)
        preprocessor = (workspace.preprocessor / "preprocessor.json").read_bytes()
        made.append((preprocessor, (workspace.scaled / "train_x.npy").read_bytes()))
        made.append((workspace.scaled / "test_x.npy").read_bytes())
    assert made[0] == made[2]
    assert made[1] != made[3]


@pytest.mark.parametrize("name", ["target", "one_hot_target"])
def test_a_train_row_never_meets_its_own_target(tmp_path: Path, name: str) -> None:
    """Of a column where each level is one row, target means can tell nothing."""
    frame = numbers().assign(city=[f"city {row}" for row in range(300)])
    section = dataclasses.replace(SECTION, categorical=name)
    manifest = scale(sealed(tmp_path, frame), section, seed=0)
    workspace = Workspace(tmp_path)
    place = manifest["features"].index("city by target")
    x, y = arrays(workspace, "x")["train"][:, place], arrays(workspace, "y")["train"]
    assert len(np.unique(x)) <= 5  # the means of the other folds
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.3
    np.testing.assert_allclose(arrays(workspace, "x")["test"][:, place], 0, atol=1e-6)


def test_out_of_fold_means_are_those_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import TargetEncoder

    section = dataclasses.replace(SECTION, categorical="target", target=Component(name="none"))
    manifest = scale(sealed(tmp_path, numbers()), section, seed=0)
    workspace = Workspace(tmp_path)
    place = manifest["features"].index("city by target")
    rows = numbers().iloc[arrays(workspace, "row")["train"]]
    folds = (arrays(workspace, "id")["train"] % 5).astype(int)
    y = rows["target"].to_numpy(dtype=np.float32).astype(np.float64)
    encoder = TargetEncoder(target_type="continuous", cv=PredefinedSplit(folds))
    expected = encoder.fit_transform(rows[["city"]], y)
    np.testing.assert_allclose(arrays(workspace, "x")["train"][:, place], expected[:, 0], 1e-6)


def test_targets_beyond_the_seen_ranks_are_kept_beside(tmp_path: Path) -> None:
    section = dataclasses.replace(SECTION, target=Component(name="quantile"))
    scale(sealed(tmp_path, numbers()), section, seed=0)
    rows, actual = (arrays(Workspace(tmp_path), kind)["test"] for kind in ("row", "actual"))
    np.testing.assert_array_equal(actual, numbers()["target"].iloc[rows])


def test_above_fit_rows_a_sample_is_fitted_and_below_nothing_changes(tmp_path: Path) -> None:
    frame = numbers(3000)
    made = {}
    for fit_rows in (1000, 2000, 1_000_000):
        workspace = sealed(tmp_path / str(fit_rows), frame)
        section = dataclasses.replace(SECTION, fit_rows=fit_rows)
        manifest = scale(workspace, section, seed=0)
        assert manifest["n_fitted"] == min(fit_rows, 1500)
        made[fit_rows] = (workspace.preprocessor / "preprocessor.json").read_bytes()
    assert made[2000] == made[1_000_000]
    assert made[1000] != made[2000]


def test_batches_give_the_bytes_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = dataclasses.replace(SECTION, categorical="target", dates="cyclic")
    made = []
    for cells in (1 << 23, 1):  # in a row group
        monkeypatch.setattr("layerline.tables.storage.GROUP_CELLS", cells)
        workspace = sealed(tmp_path / str(cells), numbers(2000))
        scale(workspace, section, seed=0)
        made.append(read_manifest(workspace.scaled))
    assert made[0] == made[1]
    x = arrays(workspace, "x")["train"]
    with (tmp_path / "whole.npy").open("wb") as file:
        np.save(file, x)
    written = (workspace.scaled / "train_x.npy").read_bytes()
    assert (tmp_path / "whole.npy").read_bytes() == written


def test_rows_in_the_gap_of_a_time_split_are_in_no_array(tmp_path: Path) -> None:
    split = Component(name="time", options={"column": "since", "gap": 0.25})
    workspace = sealed(tmp_path, numbers())
    manifest = scale(workspace, ScaleSection(split=split), seed=0)
    assert manifest["n_left_out"] > 0
    assert sum(manifest["n_rows"].values()) + manifest["n_left_out"] == 300
    assert "since" in manifest["features"]


def test_the_group_is_no_feature(tmp_path: Path) -> None:
    split = Component(name="group", options={"column": "age"})
    manifest = scale(sealed(tmp_path, numbers()), ScaleSection(split=split), seed=0)
    assert "age" not in manifest["features"]


def test_a_small_table_hears_of_a_salt_that_helps(tmp_path: Path) -> None:
    for n_rows in range(4, 40):
        frame = numbers(n_rows)
        workspace = sealed(tmp_path / str(n_rows), frame)
        try:
            scale(workspace, ScaleSection(), seed=0)
        except DataError as error:
            found = re.search(r"set `salt: (\d+)` in scale.split", str(error))
            assert found
            split = Component(name="hash", options={"salt": int(found[1])})
            counts = scale(workspace, ScaleSection(split=split), seed=0)["n_rows"]
            assert min(counts.values()) >= 1
            return
    pytest.fail("no table was too small")


def test_equal_data_give_equal_bytes(tmp_path: Path) -> None:
    manifests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        workspace = validated(tmp_path / name, table())
        scale(workspace, SECTION, seed=0)
        manifests.append(read_manifest(workspace.scaled)["files"])
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("method", ["hash", "random", "stratified"])
def test_every_method_runs_through(tmp_path: Path, method: str) -> None:
    section = ScaleSection(split=Component(name=method))
    manifest = scale(validated(tmp_path, table()), section, seed=0)
    assert sum(manifest["n_rows"].values()) == 300


def test_ids_know_a_row_again_in_other_data(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "some").mkdir()
    frame = table()
    ids = {}
    for name, data in (("all", frame), ("some", frame.iloc[1:])):
        workspace = validated(tmp_path / name, data.reset_index(drop=True))
        scale(workspace, SECTION, seed=0)
        found, rows = arrays(workspace, "id"), arrays(workspace, "row")
        kept = data.index.to_numpy()
        ids[name] = {
            int(kept[row]): int(found[split][k])
            for split in found
            for k, row in enumerate(rows[split])
        }
    assert ids["some"] == {row: ids["all"][row] for row in ids["some"]}
    assert len(set(ids["all"].values())) > 290
