"""Rows whose columns look the same, told apart by a classifier, or not."""

import json

import numpy as np
import pandas as pd
import pytest
from registered import flowers
from threadpoolctl import threadpool_limits

from layerline.columns.spec import ColumnSpec
from layerline.config import DriftSection
from layerline.drift.drift_report import drift_table, joint_text, write_drift
from layerline.drift.joint_sample import JointSample, image_blocks
from layerline.drift.joint_test import JOINT, tell_apart
from layerline.drift.learnt_rows import Learnt, known_rows
from layerline.drift.new_rows import NewRows
from layerline.drift.registered_drift import judge_rows
from layerline.model.bundle import About
from layerline.model.seen_rows import Seen, seen_by_training
from layerline.scaling.validated_data import read_validated
from layerline.tables.storage import read_images

SPECS = (
    ColumnSpec("a", "number", "float64", nullable=True),
    ColumnSpec("b", "number", "float64"),
    ColumnSpec("soil", "category", "str", nullable=True),
    ColumnSpec("day", "date", "datetime64[us]"),
)
TARGET = ColumnSpec("y", "number", "float64")
ABOUT = About("garden", "regression", "y", None, SPECS, None)


def frame(n_rows: int, seed: int, correlation: float = 0.9) -> pd.DataFrame:
    """Every column has the same distribution, whatever the correlation is."""
    generator = np.random.default_rng(seed)
    a, noise = generator.normal(size=(2, n_rows))
    return pd.DataFrame(
        {
            "a": np.where(generator.random(n_rows) < 0.1, np.nan, a),
            "b": correlation * a + (1 - correlation**2) ** 0.5 * noise,
            "soil": generator.choice(["clay", "sand", None], n_rows),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(seed, unit="D"),
        }
    )


def sample(rows: pd.DataFrame, n_parts: int = 1) -> JointSample:
    found = JointSample(ABOUT, TARGET)
    for places in np.array_split(np.arange(len(rows)), n_parts):
        found.add(rows.iloc[places])
    return found


def test_a_correlation_that_flipped_is_found_and_by_its_columns():
    told = tell_apart(sample(frame(600, 0)), sample(frame(400, 1, correlation=-0.9)))
    assert not isinstance(told, str)
    assert told.n_rows == (600, 400)
    assert told.finding.p_value < 1e-6
    assert told.finding.effect > 0.3
    assert told.auc > 0.7
    assert sorted(told.columns()) == ["a", "b"]


def test_of_rows_of_one_source_alarms_are_no_more_than_the_level():
    found = []
    for seed in range(80):
        told = tell_apart(sample(frame(120, 2 * seed)), sample(frame(80, 2 * seed + 1)))
        assert not isinstance(told, str)
        found.append(told.finding.p_value)
    by_chance = 0.05 + 2 * (0.05 * 0.95 / len(found)) ** 0.5
    assert np.mean(np.array(found) <= 0.05) <= by_chance
    assert np.median(found) > 0.3


def test_the_sample_does_not_depend_on_the_pieces_nor_on_threads(monkeypatch):
    monkeypatch.setattr("layerline.drift.joint_sample.MOST_SAMPLED", 100)
    rows = frame(1000, 3)
    whole, pieces = sample(rows), sample(rows, 7)
    assert len(whole) == len(pieces) == 100
    for name, values in whole.columns.items():
        assert pd.Series(values).equals(pd.Series(pieces.columns[name]))
    new = sample(frame(300, 4))
    scores = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            scores.append(tell_apart(whole, new))
    assert scores[0].finding == scores[1].finding
    assert scores[0].auc == scores[1].auc


def test_a_target_counts_only_where_both_have_it():
    known = frame(200, 0).assign(y=1.0)
    for new in (frame(200, 1), frame(200, 1).assign(y=2.0)):
        told = tell_apart(sample(known), sample(new))
        assert not isinstance(told, str)
        assert (told.auc > 0.99) == ("y" in new)


def test_too_few_rows_are_not_tested():
    assert tell_apart(sample(frame(39, 0)), sample(frame(99, 1))) == (
        "there are 39 rows that the model was trained on, and 40 are needed"
    )
    assert "12 new rows" in str(tell_apart(sample(frame(99, 0)), sample(frame(12, 1))))


def test_blocks_of_pixels_hold_every_pixel_once():
    images = np.random.default_rng(0).integers(0, 255, (5, 28, 20, 3), dtype=np.uint8)
    blocks = image_blocks(images)
    assert len(blocks) == 7 * 7
    assert sum(blocks.values()).tolist() == images.reshape(5, -1).sum(axis=1).tolist()


@pytest.fixture
def known(made, learnt):
    def find(name: str, seen: Seen | None = None) -> JointSample | str:
        workspace = made(name).workspace
        found = Learnt(*learnt(name), "1", seen or seen_by_training(workspace))
        return known_rows(found, read_validated(workspace))

    return find


def test_what_only_the_target_shows_is_drift_that_no_column_shows(known, counted, tmp_path):
    rows = flowers(1000, seed=7)
    shuffled = rows["size"].sample(frac=1, random_state=0).to_numpy()
    files = []
    for new, drifted in ((rows, []), (rows.assign(size=shuffled), [JOINT])):
        drift = judge_rows(counted("classes", new), known("classes"), DriftSection())
        assert drift.drifted == drifted
        files = write_drift(tmp_path, drift, "Drift")
    first = [file.read_bytes() for file in files]
    assert drift.line().startswith("drift in the joint distribution: new rows can be told apart by")
    assert {"size", "kind"} <= set(drift.joint.columns)
    assert drift_table(drift)[1][0][:3] == [JOINT, "drifted", "classifier"]
    assert "above all by" in files[1].read_text()
    state = json.loads(files[0].read_text())
    assert state["drifted"] is True
    assert not any(column["drifted"] for column in state["columns"].values())
    assert state["joint"]["n_rows"] == [len(known("classes")), 1000]
    again = judge_rows(
        counted("classes", rows.assign(size=shuffled)), known("classes"), DriftSection()
    )
    assert [file.read_bytes() for file in write_drift(tmp_path, again, "Drift")] == first


def test_known_rows_are_those_of_training_alone(known, made):
    scaled = made("classes").workspace.scaled
    n_trained = sum(len(np.load(scaled / f"{name}_id.npy")) for name in ("train", "valid"))
    assert len(known("classes")) == n_trained
    other = seen_by_training(made("numbers").workspace)
    assert "has not the columns" in str(known("images", other))
    none = Seen(other.rows[:0], other.columns)
    assert len(known("numbers", none)) == 0


def test_mirrored_images_are_told_apart_though_as_bright(known, made, learnt):
    images = np.asarray(read_images(made("images").workspace.validated))
    for new, drifted in ((images, []), (images[:, :, ::-1], [JOINT])):
        rows = NewRows(*learnt("images"))
        rows.add(new)
        drift = judge_rows(rows, known("images"), DriftSection())
        assert [name for name in drift.drifted if name != "prediction"] == drifted


def test_a_test_that_is_skipped_has_its_reason_everywhere(counted):
    drift = judge_rows(counted("classes", flowers(100)), "there is no table", DriftSection())
    assert drift.to_json()["joint"] == {"drifted": False, "skipped": "there is no table"}
    assert drift_table(drift)[1][0][2] == "skipped"
    assert joint_text(drift.joint) == ("The joint distribution was not tested: there is no table.")
