"""`predict_file` on rows that are refused, after a kill, on other dialects and on large files."""

import bz2
import dataclasses
import gzip
import lzma
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from filelock import FileLock

from layerline.artifacts import read_json, write_json
from layerline.cli import main
from layerline.config import FetchSection
from layerline.errors import BusyError, DataError, ParamsError
from layerline.model.bundle import ABOUT, About
from layerline.model.predict_file import PredictOptions
from layerline.registry.predict import load_registered, predict_file
from layerline.sources.reading.dialect import USUAL, Dialect
from layerline.tables.storage import read_images, read_table

URI = "models:/pieces@champion"
SKIP = PredictOptions(on_bad_rows="skip", chunk_rows=50)
DIALECT = Dialect(";", "windows-1252", ("?", "unbekannt"))


@pytest.fixture(scope="module")
def home(store, made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registered")
    checkout = made("classes")
    options = {"separator": ";", "encoding": DIALECT.encoding, "missing": list(DIALECT.missing)}
    section = FetchSection(source="files", target="kind", task="multiclass", options=options)
    spoken = dataclasses.replace(
        checkout, params=dataclasses.replace(checkout.params, fetch=section)
    )
    store.register(checkout, "pieces", folder)
    store.register(spoken, "dialects", folder)
    store.register(made("images"), "pieces-images", folder)
    return store.home


@pytest.fixture
def rows(made):
    return read_table(made("classes").workspace.validated)[:130]


def damaged(rows):
    """Rows 2, 61 and 130 cannot be read."""
    rows = rows.astype(object)
    rows.insert(0, "id", [f"{i:05d}" for i in range(1, len(rows) + 1)])
    rows.loc[1, "count"] = "many"
    rows.loc[60, "planted"] = "last spring"
    rows.loc[129, ["size", "count"]] = ["inf", "few"]
    return rows


def test_rows_that_cannot_be_read_are_set_aside_with_the_reason(home, rows, tmp_path):
    wanted = load_registered(URI, home).predict(rows)
    damaged(rows).to_csv(tmp_path / "in.csv", index=False)
    settings = dataclasses.replace(SKIP, keep=("id",))
    report = predict_file(URI, tmp_path / "in.csv", tmp_path / "out.csv", home, settings)
    assert (report.n_rows, report.n_refused) == (127, 3)
    found = pd.read_csv(tmp_path / "out.csv", dtype={"id": str})
    assert list(found) == ["id", *wanted.columns]
    good = wanted.drop(index=[1, 60, 129])
    assert found["id"].tolist() == [f"{place + 1:05d}" for place in good.index]
    assert found["prediction"].tolist() == good["prediction"].tolist()
    assert report.refused == tmp_path / "out.csv.refused.csv"
    refused = pd.read_csv(report.refused, dtype={"id": str})
    assert refused["row"].tolist() == [2, 61, 130]
    assert refused["id"].tolist() == ["00002", "00061", "00130"]
    assert refused["reason"].tolist() == [
        "column 'count' must be a number, got 'many'",
        "column 'planted' must be a date like 2024-12-31, got 'last spring'",
        "column 'size' must be a finite number, got 'inf'",
    ]
    rows.to_csv(tmp_path / "in.csv", index=False)
    report = predict_file(URI, tmp_path / "in.csv", tmp_path / "out.csv", home, SKIP)
    assert (report.n_rows, report.n_refused, report.refused) == (130, 0, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_images_that_cannot_be_read_are_set_aside(home, made, tmp_path):
    images = np.asarray(read_images(made("images").workspace.validated)).astype(float)
    images[7] /= 255
    np.save(tmp_path / "in.npy", images)
    uri = "models:/pieces-images@champion"
    report = predict_file(uri, tmp_path / "in.npy", tmp_path / "out.parquet", home, SKIP)
    assert (report.n_rows, report.n_refused) == (299, 1)
    assert "8,images must be whole numbers" in report.refused.read_text().replace('"', "")


def test_a_chunk_of_bad_rows_alone_has_the_types_of_the_others(home, rows, tmp_path):
    rows = rows.astype(object)
    rows.loc[:49, "count"] = "many"
    rows.to_csv(tmp_path / "in.csv", index=False)
    report = predict_file(URI, tmp_path / "in.csv", tmp_path / "out.parquet", home, SKIP)
    assert (report.n_rows, report.n_refused) == (80, 50)
    assert pq.read_schema(tmp_path / "out.parquet").field("prediction").type == pa.string()


@pytest.mark.parametrize("name", ["in.csv.gz", "in.csv.bz2", "in.csv.xz", "in.csv"])
def test_any_way_to_write_the_file_gives_the_same_predictions(home, rows, name, tmp_path):
    wanted = load_registered(URI, home).predict(rows)["prediction"].tolist()
    text = "Report of May\n\n" + rows.to_csv(index=False, sep=";", encoding="utf-16")
    packed = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    pack = packed.get(name.rpartition(".")[2], bytes)
    (tmp_path / name).write_bytes(pack(text.encode("utf-16")))
    report = predict_file(URI, tmp_path / name, tmp_path / "out.csv", home, SKIP)
    assert pd.read_csv(tmp_path / "out.csv")["prediction"].tolist() == wanted
    assert any("left out before the header: 'Report of May'" in note for note in report.notes)
    assert any("is read as utf-16" in note for note in report.notes)
    assert all("layerline-" not in note for note in report.notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "out.csv"]


def test_a_list_that_no_model_reads_is_left_out_of_a_text_file(home, rows, tmp_path):
    wanted = load_registered(URI, home).predict(rows)["prediction"].tolist()
    rows.assign(tags=[["a", "b"]] * len(rows)).to_parquet(tmp_path / "in.parquet")
    report = predict_file(URI, tmp_path / "in.parquet", tmp_path / "out.csv", home, SKIP)
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["prediction"].tolist() == wanted
    assert "tags" not in found
    (note,) = report.notes
    assert "column 'tags' is of type list" in note
    report = predict_file(URI, tmp_path / "in.parquet", tmp_path / "out.parquet", home, SKIP)
    assert pd.read_parquet(tmp_path / "out.parquet")["tags"].map(list).tolist()[0] == ["a", "b"]
    assert report.notes == ()
    kept = dataclasses.replace(SKIP, keep=("tags",))
    with pytest.raises(DataError, match="column 'tags' is of type list"):
        predict_file(URI, tmp_path / "in.parquet", tmp_path / "out.csv", home, kept)


def test_a_column_that_is_absent_is_no_bad_row(home, rows, tmp_path):
    rows.drop(columns="size").to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(DataError, match="column 'size' is missing"):
        predict_file(URI, tmp_path / "in.csv", tmp_path / "out.csv", home, SKIP)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_column_to_keep_must_be_there(home, rows, tmp_path):
    rows.to_parquet(tmp_path / "in.parquet")
    settings = PredictOptions(keep=("Soil",))
    with pytest.raises(ParamsError, match=r"--keep: .* has no column 'Soil'; did you mean 'soil'"):
        predict_file(URI, tmp_path / "in.parquet", tmp_path / "out.csv", home, settings)


def test_the_version_knows_how_its_training_was_written(home, rows, tmp_path):
    uri = "models:/dialects@champion"
    model = load_registered(uri, home)
    assert model.about.dialect == DIALECT
    rows = rows.drop(columns="kind")
    wanted = model.predict(rows)
    text = rows.astype(object)
    text["note"] = "größer"
    text["size"] = text["size"].where(text["size"].notna(), "?")
    text["soil"] = text["soil"].where(text["soil"].notna(), "unbekannt")
    pd.testing.assert_frame_equal(model.predict(text), wanted)  # as pyfunc would
    text.to_csv(tmp_path / "in.csv", index=False, sep=";", encoding=DIALECT.encoding)
    predict_file(uri, tmp_path / "in.csv", tmp_path / "out.parquet", home)
    found = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(found[wanted.columns], wanted, check_dtype=False)
    assert found["note"][0] == "größer"
    text.to_csv(tmp_path / "in.csv", index=False, sep="|", encoding="utf-8")
    said = PredictOptions(dialect={"separator": "|", "encoding": "utf-8"})
    predict_file(uri, tmp_path / "in.csv", tmp_path / "out.parquet", home, said)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), found)
    with pytest.raises(DataError, match=r"there is only one column.* set --separator: '\|'"):
        predict_file(
            uri, tmp_path / "in.csv", tmp_path / "out.parquet", home, PredictOptions(dialect={})
        )


def test_a_bundle_of_before_has_the_usual_dialect(made, tmp_path):
    made("classes").bundle(tmp_path / "bundle")
    state = read_json(tmp_path / "bundle" / ABOUT)
    assert About.from_json(state).dialect == USUAL
    state.pop("dialect")
    assert About.from_json(state).dialect == USUAL


CHILD = """
    import sys, time
    from pathlib import Path
    from layerline.model.predict_file import PredictOptions
    from layerline.model.predictor import Model
    from layerline.registry.predict import predict_file

    predict = Model.predict
    def told(self, rows, rows_before=0, **options):
        print(rows_before, flush=True)
        if rows_before >= int(sys.argv[5]):
            time.sleep(60)
        return predict(self, rows, rows_before=rows_before, **options)
    Model.predict = told
    resume = sys.argv[6] == "resume"
    predict_file(
        sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]),
        PredictOptions(chunk_rows=30, on_bad_rows="skip", resume=resume),
    )
"""


def child(home, tmp_path, stop_at, how):
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(CHILD), URI]
    command += [str(tmp_path / "in.csv"), str(tmp_path / "out.parquet"), str(home)]
    return subprocess.Popen([*command, str(stop_at), how], stdout=subprocess.PIPE, text=True)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(home, rows, tmp_path):
    damaged(rows).to_csv(tmp_path / "in.csv", index=False)
    settings = dataclasses.replace(SKIP, chunk_rows=30)
    predict_file(URI, tmp_path / "in.csv", tmp_path / "whole.parquet", home, settings)
    (tmp_path / "out.parquet").write_text("old")
    process = child(home, tmp_path, 90, "anew")
    with process:
        assert [process.stdout.readline() for _ in range(4)] == ["0\n", "30\n", "60\n", "90\n"]
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "out.parquet").read_text() == "old"
    other = dataclasses.replace(settings, resume=True, on_bad_rows="fail")
    with pytest.raises(ParamsError, match=r"--resume: cannot resume .*: options; start over"):
        predict_file(URI, tmp_path / "in.csv", tmp_path / "out.parquet", home, other)
    with child(home, tmp_path, 10**9, "resume") as process:
        assert process.stdout.read().split() == ["90", "120"]
    for name in ("", ".refused.csv"):
        ours, theirs = (tmp_path / f"{stem}.parquet{name}" for stem in ("out", "whole"))
        assert ours.read_bytes() == theirs.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_one_output_has_one_writer(home, rows, tmp_path):
    rows.to_csv(tmp_path / "in.csv", index=False)
    folder = tmp_path / ".out.csv.parts"
    folder.mkdir()
    with (
        FileLock(folder / "lock"),
        pytest.raises(BusyError, match=r"out\.csv: another `layerline predict` is writing it"),
    ):
        predict_file(URI, tmp_path / "in.csv", tmp_path / "out.csv", home)
    write_json(folder / "run.json", {"left": "by a killed run"})
    assert predict_file(URI, tmp_path / "in.csv", tmp_path / "out.csv", home).n_rows == 130
    assert not folder.exists()


PEAK = """
    import resource, sys
    from pathlib import Path
    from layerline.registry.predict import predict_file
    report = predict_file(sys.argv[1], *map(Path, sys.argv[2:]))
    print(report.n_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_large(path, rows, n_times):
    """The rows again and again, with long notes."""
    rows = rows.assign(note="x" * 400)
    if path.suffix == ".csv":
        text = rows.to_csv(index=False).partition("\n")
        with path.open("w") as file:
            file.write(f"{text[0]}\n")
            for _ in range(n_times):
                file.write(text[2])
        return
    table = pa.Table.from_pandas(rows, preserve_index=False)
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
        for _ in range(n_times // 20):
            writer.write_table(pa.concat_tables([table] * 20))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_memory_stays_flat(home, rows, name, tmp_path):
    peaks = {}
    for n_times in (4000, 8000):
        write_large(tmp_path / name, rows, n_times)
        command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PEAK), URI]
        command += [str(tmp_path / name), str(tmp_path / "out.parquet"), str(home)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        n_rows, peaks[n_times] = map(int, done.stdout.split())
        assert n_rows == 130 * n_times
    size_kb = (tmp_path / name).stat().st_size / 1024
    # Arrow reads up to 128 MB of a CSV ahead: both files are larger.
    assert peaks[8000] - peaks[4000] < 0.1 * size_kb, peaks


def test_the_command_says_how_many_rows_and_where_the_reasons_are(
    home, rows, tmp_path, monkeypatch
):
    monkeypatch.chdir(home)
    damaged(rows).to_csv(tmp_path / "in.csv", index=False)
    command = ["predict", str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), "--model", URI]
    runner = CliRunner()
    done = runner.invoke(main, command)
    assert done.exit_code == 3
    assert "in.csv: column 'size' must be a finite number" in done.output
    done = runner.invoke(main, [*command, "--on-bad-rows", "skip", "--keep", "id"])
    assert done.exit_code == 0
    assert "127 rows predicted by models:/pieces@champion" in done.output
    assert f"3 rows refused; see {tmp_path}/out.csv.refused.csv for the reasons" in done.output
    done = runner.invoke(main, [*command, "--keep", "ident"])
    assert done.exit_code == 2
    assert "--keep: " in done.output
