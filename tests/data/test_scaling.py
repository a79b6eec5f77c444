"""The scale stage: arrays fit together, and nothing is fitted on a valid or test row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerline.artifacts import Workspace, read_json, read_manifest, replace_folder
from layerline.config import Component, ScaleSection, ValidateSection
from layerline.data.scaling import scale
from layerline.data.schema.files import write_schema
from layerline.data.schema.inferring import infer_schema
from layerline.data.tables import write_table
from layerline.data.validating import validate_raw

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


def test_nothing_is_fitted_on_a_valid_or_test_row(tmp_path: Path) -> None:
    """Change every valid and test row as far as the schema lets: nothing fitted may move."""
    frame = table()
    other = frame["part"] != "train"
    changed = frame.copy()
    changed.loc[other, "age"] += 200
    changed.loc[other, "income"] = np.nan
    changed.loc[other, "city"] = "Ulm"
    fitted = []
    for name, data in (("one", frame), ("two", changed)):
        (tmp_path / name).mkdir()
        workspace = validated(tmp_path / name, data)
        scale(workspace, SECTION, seed=0)
        fitted.append(
            (read_json(workspace.preprocessor / "preprocessor.json"), arrays(workspace, "x"))
        )
    assert fitted[0][0] == fitted[1][0]
    assert (fitted[0][1]["train"] == fitted[1][1]["train"]).all()
    assert (fitted[0][1]["test"] != fitted[1][1]["test"]).any()


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
