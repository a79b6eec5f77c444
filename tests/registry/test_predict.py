import csv
import dataclasses

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from layerline.errors import DataError, ParamsError, SourceError, TrackingError
from layerline.model.predict_file import PredictOptions
from layerline.registry.predict import default_uri, load_registered, predict_file
from layerline.tables.storage import read_images, read_table

URI = "models:/predicted@champion"


@pytest.fixture(scope="module")
def home(store, made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registered")
    store.register(made("classes"), "predicted", folder)
    store.register(made("images"), "predicted-images", folder)
    return store.home


@pytest.fixture
def rows(made):
    return read_table(made("classes").workspace.validated)[:130]


@pytest.fixture
def wanted(home, rows):
    return load_registered(URI, home).predict(rows)


def test_a_csv_comes_back_as_it_was_with_predictions_beside_it(home, rows, wanted, tmp_path):
    rows.insert(0, "id", [f"{i:05d}" for i in range(len(rows))])
    rows.loc[3, "note"] = 'says "hm",\nthen leaves'
    rows.to_csv(tmp_path / "in.csv", index=False)
    report = predict_file(
        URI, tmp_path / "in.csv", tmp_path / "out.csv", home, PredictOptions(chunk_rows=50)
    )
    assert (report.n_rows, report.output) == (130, tmp_path / "out.csv")
    with (
        (tmp_path / "in.csv").open(newline="") as given,
        (tmp_path / "out.csv").open(newline="") as got,
    ):
        before, after = list(csv.reader(given)), list(csv.reader(got))
    assert after[0] == [*before[0], *wanted.columns]
    assert [line[: len(before[0])] for line in after] == before
    assert [line[len(before[0])] for line in after[1:]] == wanted["prediction"].tolist()
    found = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(found[wanted.columns[1:]], wanted.iloc[:, 1:], rtol=1e-12)


def test_all_pairs_of_formats_give_the_same_predictions(home, rows, wanted, tmp_path):
    rows.to_csv(tmp_path / "in.csv", index=False)
    rows.to_csv(tmp_path / "in.tsv", index=False, sep="\t")
    rows.to_parquet(tmp_path / "in.parquet", index=False)
    readers = {
        "csv": pd.read_csv,
        "tsv": lambda p: pd.read_csv(p, sep="\t"),
        "parquet": pd.read_parquet,
    }
    for given in readers:
        for got, read in readers.items():
            output = tmp_path / f"{given}-out.{got}"
            predict_file(URI, tmp_path / f"in.{given}", output, home, PredictOptions(chunk_rows=64))
            found = read(output)[wanted.columns]
            pd.testing.assert_frame_equal(found, wanted, check_dtype=False, atol=1e-9)


def test_parquet_has_types(home, rows, tmp_path):
    rows.to_csv(tmp_path / "in.csv", index=False)
    predict_file(URI, tmp_path / "in.csv", tmp_path / "out.parquet", home)
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "out.parquet")}
    assert types["size"] == "double"
    assert types["count"] == "int64"
    assert types["soil"] == "string"
    assert types["probability_rose"] == "double"


def test_images_come_as_npy_or_as_csv_of_pixels(home, made, tmp_path):
    uri = "models:/predicted-images@champion"
    images = np.asarray(read_images(made("images").workspace.validated))
    wanted = load_registered(uri, home).predict(images)
    np.save(tmp_path / "in.npy", images)
    table = pd.DataFrame(images.reshape(len(images), -1)).add_prefix("pixel")
    table.assign(digit=0).to_csv(tmp_path / "in.csv", index=False)
    predict_file(uri, tmp_path / "in.npy", tmp_path / "a.csv", home, PredictOptions(chunk_rows=77))
    predict_file(uri, tmp_path / "in.csv", tmp_path / "b.csv", home)
    a, b = pd.read_csv(tmp_path / "a.csv"), pd.read_csv(tmp_path / "b.csv")
    assert list(a) == list(wanted)
    assert a["prediction"].tolist() == b["prediction"].tolist() == wanted["prediction"].tolist()


def test_a_header_alone_gives_a_header(home, rows, tmp_path):
    rows[:0].to_csv(tmp_path / "in.csv", index=False)
    rows[:0].to_parquet(tmp_path / "in.parquet", index=False)
    for name in ("in.csv", "in.parquet"):
        report = predict_file(URI, tmp_path / name, tmp_path / "out.csv", home)
        assert report.n_rows == 0
        assert "prediction,probability_daisy" in (tmp_path / "out.csv").read_text()


def test_a_bad_row_is_named_and_the_old_output_stays(home, rows, tmp_path):
    rows = rows.astype(object)
    rows.loc[100, "count"] = "many"
    rows.to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(
        DataError, match=r"in\.csv: column 'count' must be a number, got 'many' .*row 101"
    ):
        predict_file(
            URI, tmp_path / "in.csv", tmp_path / "out.csv", home, PredictOptions(chunk_rows=30)
        )
    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.parametrize(
    ("source", "output", "error", "message"),
    [
        (
            "in.csv",
            "out.xlsx",
            ParamsError,
            "OUTPUT: .*out.xlsx: unknown file type; supported suffixes: ",
        ),
        (
            "in.xml",
            "out.csv",
            ParamsError,
            r"INPUT: .*in.xml: unknown file type; .*\.xlsx.*\.csv\.gz",
        ),
        ("in.tar.gz", "out.csv", ParamsError, "INPUT: .*in.tar.gz: is an archive; unpack it"),
        ("none.csv", "out.csv", SourceError, "none.csv: file not found"),
        ("cut.parquet", "out.csv", SourceError, "cut.parquet: not a readable Parquet file"),
        ("empty.csv", "out.csv", DataError, "empty.csv: the file is empty"),
        ("twice.csv", "out.csv", DataError, "'prediction' already exists in the data"),
        ("narrow.csv", "out.csv", DataError, "narrow.csv: column 'size' is missing"),
    ],
)
def test_what_cannot_be_predicted_is_reported(source, output, error, message, home, rows, tmp_path):
    rows.to_csv(tmp_path / "in.csv", index=False)
    (tmp_path / "in.xml").write_text("[]")
    rows.to_parquet(tmp_path / "cut.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:-100])
    (tmp_path / "empty.csv").touch()
    rows.assign(prediction=1).to_csv(tmp_path / "twice.csv", index=False)
    rows.drop(columns="size").to_csv(tmp_path / "narrow.csv", index=False)
    with pytest.raises(error, match=message):
        predict_file(URI, tmp_path / source, tmp_path / output, home)
    assert not (tmp_path / output).exists()


def test_the_input_is_never_written_over(home, rows, tmp_path):
    rows.to_csv(tmp_path / "in.csv", index=False)
    before = (tmp_path / "in.csv").read_bytes()
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "in.csv")
    (tmp_path / "out.csv.refused.csv").symlink_to(tmp_path / "in.csv")
    for name in ("in.csv", "link.csv", "hard.csv", "out.csv"):
        with pytest.raises(ParamsError, match="which would be lost; name another"):
            predict_file(
                URI, tmp_path / "in.csv", tmp_path / name, home, PredictOptions(keep=("city",))
            )
    assert (tmp_path / "in.csv").read_bytes() == before


def test_a_model_that_does_not_exist_is_reported_with_the_remedy(home, rows, tmp_path, made):
    rows.to_csv(tmp_path / "in.csv", index=False)
    wanted = {
        "models:/nobody@champion": "no version holds this alias",
        "models:/predicted/99": "there is no such model",
        "models:/predicted@prince": "no version holds this alias",
    }
    for uri, message in wanted.items():
        with pytest.raises(TrackingError, match=f"{uri}: {message}.*`dvc repro`"):
            predict_file(uri, tmp_path / "in.csv", tmp_path / "out.csv", home)
    params = dataclasses.replace(made("classes").params, project="predicted")
    assert default_uri(params) == URI
