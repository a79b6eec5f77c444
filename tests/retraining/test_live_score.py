"""True values joined to what was served: late, corrected, and scored by version and day."""

import json

import numpy as np
import orjson
import pandas as pd
import pytest

from layerline.artifacts import Workspace
from layerline.columns.spec import ColumnSpec
from layerline.errors import DataError, SourceError
from layerline.model.bundle import About
from layerline.retraining.live_rows import Truths, id_text, join, read_truths
from layerline.retraining.live_score import score_rows

NUMBERS = About("shop", "regression", "price", None, (), None)
CLASSES = About("pets", "binary", "pet", ("cat", "dog"), (), None)
PRICE = ColumnSpec("price", "number", "float64")
PET = ColumnSpec("pet", "category", "str", levels=("cat", "dog"))


def entry(row_id: object, prediction: object, day: int = 1, **more: object) -> dict[str, object]:
    time = f"2026-01-{day:02d}T12:00:00.000+00:00"
    return {"id": row_id, "time": time, "version": "3", "row": {}, "prediction": prediction, **more}


def write_log(path, *entries) -> None:
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in entries))


def truths_of(tmp_path, text: str, spec: ColumnSpec, about: About) -> Truths:
    (tmp_path / "labels.csv").write_text(text)
    return read_truths(tmp_path / "labels.csv", "id", spec, about)


def test_labels_that_come_late_or_corrected_count_as_last_given(tmp_path):
    workspace, log = Workspace(tmp_path), tmp_path / "requests.jsonl"
    write_log(log, entry(1, 10.0), entry(2, 20.0), entry("03", 30.0), entry(1, 11.0, day=2))
    first = truths_of(tmp_path, "id,price\n1,12\n2,\n9,90\n", PRICE, NUMBERS)
    assert first.n_without == 1
    rows = join(workspace, log, first, NUMBERS).set_index("id")
    assert rows.loc["1", "prediction"] == 11.0
    assert rows["actual"].dropna().to_dict() == {"1": 12.0}
    log.unlink()  # it was rotated away; what was joined stays
    write_log(log, entry(4, 40.0, day=3))
    second = truths_of(tmp_path, "id,price\n1,12.5\n1,13\n03,31\n", PRICE, NUMBERS)
    rows = join(workspace, log, second, NUMBERS).set_index("id")
    assert rows["actual"].dropna().to_dict() == {"1": 13.0, "03": 31.0}
    assert sorted(rows.index) == ["03", "1", "2", "4"]


def test_the_score_is_by_version_and_by_day_beside_the_test(tmp_path):
    generator = np.random.default_rng(0)
    actual = generator.normal(size=400)
    rows = pd.DataFrame(
        {
            "id": [str(at) for at in range(400)],
            "time": [f"2026-01-{1 + at // 200:02d}T00:00:00" for at in range(400)],
            "version": "3",
            "prediction": actual + np.where(np.arange(400) < 200, 1.0, 2.0),
            "actual": actual,
        }
    )
    found = score_rows(rows, NUMBERS, "rmse", {"3": {"rmse": 1.0}})
    assert [day["day"] for day in found["days"]] == ["2026-01-01", "2026-01-02"]
    assert [day["value"] for day in found["days"]] == pytest.approx([1.0, 2.0])
    version = found["versions"]["3"]
    assert version["value"] == pytest.approx(np.sqrt(2.5))
    assert version["lower"] < version["value"] < version["upper"]
    assert version["sure_drop"] == pytest.approx(version["lower"] - 1.0)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("metric", "value"), [("accuracy", 0.75), ("log_loss", 0.4258)])
def test_classes_are_scored_by_their_probabilities(metric, value, tmp_path):
    shares = {"cat": {"probability_cat": 0.8, "probability_dog": 0.2}}
    shares["dog"] = {"probability_cat": 0.3, "probability_dog": 0.7}
    guesses = ["cat", "dog", "cat", "dog"]
    log = tmp_path / "requests.jsonl"
    write_log(log, *(entry(at, guess, **shares[guess]) for at, guess in enumerate(guesses)))
    text = "id,pet\n0,cat\n1,dog\n2,cat\n3,cat\n7,dog\n"
    truths = truths_of(tmp_path, text, PET, CLASSES)
    rows = join(Workspace(tmp_path), log, truths, CLASSES)
    found = score_rows(rows, CLASSES, metric, {})
    losses = -np.log([0.8, 0.7, 0.8, 0.3])
    expected = value if metric == "accuracy" else losses.mean()
    assert found["versions"]["3"]["value"] == pytest.approx(expected)
    assert found["versions"]["3"]["sure_drop"] is None


def test_what_is_missing_is_said_with_its_remedy(tmp_path):
    with pytest.raises(DataError, match=r"column 'id' is missing.*retrain\.live\.id"):
        truths_of(tmp_path, "number,price\n1,2\n", PRICE, NUMBERS)
    np.save(tmp_path / "labels.npy", np.zeros((3, 2)))
    with pytest.raises(DataError, match="holds arrays; labels are a table"):
        read_truths(tmp_path / "labels.npy", "id", PRICE, NUMBERS)
    truths = Truths({"1": 2.0}, 0)
    with pytest.raises(SourceError, match="--log-id FIELD"):
        join(Workspace(tmp_path), tmp_path / "none.jsonl", truths, NUMBERS)
    log = tmp_path / "requests.jsonl"
    write_log(log, {**entry(1, 2.0), "id": None})
    with pytest.raises(DataError, match="no row has an id"):
        join(Workspace(tmp_path), log, truths, NUMBERS)


def test_an_id_is_the_same_as_a_number_and_as_text():
    assert {id_text(17), id_text(17.0), id_text("17"), id_text(np.int64(17))} == {"17"}
    assert id_text("017") == "017"
