"""New rows of real models: what drifts is found, what does not is not, whatever the door."""

import json

import numpy as np
import orjson
import pandas as pd
import pytest
from registered import flowers

from layerline.config import DriftSection
from layerline.drift.column_counts import ColumnCounts
from layerline.drift.drift_check import Drift, compare, in_tenths
from layerline.drift.drift_report import write_drift
from layerline.drift.new_rows import NewRows, is_request_log, read_new_rows
from layerline.drift.registered_drift import judge_rows
from layerline.errors import DataError, SourceError
from layerline.model.column_sketch import sketch
from layerline.model.reference import read_reference, write_reference
from layerline.tables.storage import read_images


def judge(rows: NewRows) -> Drift:
    return judge_rows(rows, "not here", DriftSection())


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_rows_of_the_same_source_have_not_drifted(name, counted):
    found = judge(counted(name, flowers(1000, seed=7)))
    assert found.drifted == []
    roles = {column.role for column in found.columns}
    assert roles == {"column", "target", "prediction"}


def moved(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    changes = {
        "size": lambda: rows["size"] + 1.0,  # half of its deviation
        "soil": lambda: pd.Series(np.where(rows.index % 4, rows["soil"], "peat")),
        "count": lambda: rows["count"].where(rows.index % 3 > 0),
    }
    return rows.assign(**{column: changes[column]()})


@pytest.mark.parametrize(
    ("column", "test"),
    [("size", "kolmogorov-smirnov"), ("soil", "unseen"), ("count", "missing")],
)
def test_what_moved_is_found_by_the_test_for_it(column, test, counted):
    found = judge(counted("classes", moved(flowers(1000, seed=7), column)))
    columns = {drift.name: drift for drift in found.columns}
    assert columns[column].drifted
    assert columns[column].test in {test, "chi-squared"}
    still = {"size", "soil", "count", "is wild", "planted"} - {column}
    assert not still & set(found.drifted)
    assert found.line().startswith("drift in")


@pytest.mark.parametrize(("shift", "drifted"), [(0.1, False), (0.5, True)])
def test_a_shift_too_small_to_matter_is_no_drift_however_many_the_rows(shift, drifted):
    generator = np.random.default_rng(0)
    counts = ColumnCounts(sketch(pd.Series(generator.normal(size=30_000)), is_level=False))
    counts.add(pd.Series(generator.normal(shift, 1, 30_000)))
    (found,), _ = compare({"x": ("column", counts)}, "", confidence=0.95, min_effect=0.1)
    assert found.p_adjusted < 1e-6
    assert found.drifted == drifted


def test_a_target_that_moved_is_found(counted):
    rows = flowers(1000, seed=7)
    found = judge(counted("numbers", rows.assign(height=rows["height"] + 40)))
    assert found.drifted == ["height"]


def test_brighter_images_are_found(made, learnt):
    images = read_images(made("images").workspace.validated)
    for shift, drifted in ((0, False), (40, True)):
        rows = NewRows(*learnt("images"))
        rows.add(np.asarray(images) + np.uint8(shift))
        assert ("brightness" in judge(rows).drifted) == drifted


def test_a_file_and_a_request_log_give_the_same(learnt, tmp_path):
    model, reference = learnt("classes")
    rows = flowers(300, seed=7).drop(columns=["kind", "height"])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    entries = json.loads(rows.drop(columns="note").to_json(orient="records", date_format="iso"))
    logged = [
        {"time": "2026-01-01T00:00:00", "version": "1", "row": row, "prediction": "rose"}
        for row in entries
    ]
    log = tmp_path / "requests.log.1"
    log.write_bytes(b"\n".join(map(orjson.dumps, logged)) + b'\n{"time": "cut')
    assert is_request_log(log)
    assert not is_request_log(tmp_path / "rows.csv")
    found = [judge(read_new_rows(path, model, reference)) for path in (tmp_path / "rows.csv", log)]
    assert found[0].to_json() == found[1].to_json()


def test_bins_are_named_by_their_ends_and_dates_by_dates(counted):
    found = {column.name: column for column in judge(counted("classes", flowers(300))).columns}
    before, now, names = in_tenths(found["count"].counts)
    assert names == [*(f"up to {end}" for end in range(1, 8)), "above 7"]
    assert before.sum() == found["count"].counts.sketch.n_rows
    assert now.sum() == 300
    *_, names = in_tenths(found["planted"].counts)
    assert names[0] == "up to 2020-01-08"
    assert found["planted"].to_json()["range"][0].startswith("2020-01-08")


def test_of_a_long_file_evenly_spaced_rows_are_compared(learnt, tmp_path, monkeypatch):
    monkeypatch.setattr("layerline.drift.new_rows.MOST_ROWS", 100)
    flowers(350, seed=7).to_parquet(tmp_path / "rows.parquet")
    found = read_new_rows(tmp_path / "rows.parquet", *learnt("classes"))
    assert found.n_rows == len(range(0, 350, 3))


def test_unread_values_are_missing_and_their_rows_not_predicted(counted):
    rows = flowers(200, seed=7).drop(columns="height").astype({"count": object})
    rows.loc[:19, "count"] = "many"
    found = counted("classes", rows)
    assert found.columns["count"].n_unread == 20
    assert found.prediction.n_rows == 180
    assert judge(found).to_json()["columns"]["count"]["unread"] == 20


def test_a_missing_column_and_an_empty_file_are_refused(counted, learnt, tmp_path):
    with pytest.raises(DataError, match="column 'size' is missing"):
        counted("classes", flowers(10).drop(columns="size"))
    flowers(0).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match="holds no rows"):
        read_new_rows(tmp_path / "rows.csv", *learnt("classes"))


def test_a_reference_survives_its_file(learnt, tmp_path):
    _, reference = learnt("classes")
    assert read_reference(tmp_path) is None
    write_reference(tmp_path, reference)
    first = (tmp_path / "reference.json").read_bytes()
    assert read_reference(tmp_path) == reference
    write_reference(tmp_path, reference)
    assert (tmp_path / "reference.json").read_bytes() == first
    (tmp_path / "reference.json").write_text('{"columns": {}}')
    with pytest.raises(SourceError, match="damaged"):
        read_reference(tmp_path)


def test_the_page_shows_what_drifted_and_nothing_is_markup(counted, tmp_path):
    rows = moved(flowers(500, seed=7), "soil").replace({"soil": {"peat": "<b>$peat$"}})
    drift = judge(counted("classes", rows))
    files = write_drift(tmp_path / "drift", drift, "Drift of `<i>rows</i>`")
    assert [file.name for file in files] == ["drift.json", "drift.html", "drift.png"]
    page = files[1].read_text()
    assert "data:image/png" in page
    assert "<i>rows" not in page
    assert "soil" in page
    content = json.loads(files[0].read_text())
    assert content["drifted"] is True
    assert content["columns"]["soil"]["unseen_levels"] == {"<b>$peat$": 125}
