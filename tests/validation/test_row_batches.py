"""A table read batch by batch is judged, written and described as one that is read whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerline.artifacts import Workspace, read_json, replace_folder
from layerline.config import ValidateSection
from layerline.tables import storage as tables
from layerline.tables.storage import write_table
from layerline.validation import checks as checking
from layerline.validation import duplicates as repeats
from layerline.validation import row_batches as streaming
from layerline.validation.disk_array import Words, part_of
from layerline.validation.duplicates import repeated
from layerline.validation.refusal import BrokenRulesError
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.infer import infer_schema
from layerline.validation.schema.schema_file import write_schema
from layerline.validation.streaming_profile import SMALLEST, Profiler, _Distinct
from layerline.validation.validate import validate_raw

SCHEMA = Path("data/schemas/t.yaml")
N = 5000


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "whole": np.where(np.arange(N) > 4000, np.nan, rng.integers(0, 9, N)),
            "late": np.arange(N) * 2,
            "city": rng.choice(["Ulm", "Bonn", "Köln"], N),
            "truth": pd.Series(rng.choice([True, False], N), dtype=object).where(
                np.arange(N) > 50, None
            ),
            "day": pd.Series(
                pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 99, N), unit="D"),
                dtype="datetime64[us]",
            ),
            "word": [f"w{i}" for i in range(N)],
            "y": rng.choice(["no", "yes"], N),
        }
    )


def broken(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[[7, 3100], "x"] = np.inf
    frame.loc[[7, 4999], "city"] = "Paris"
    frame.loc[4000:, "word"] = "w1"
    frame.loc[2500, "y"] = None
    return frame


Lab = Callable[..., tuple[Workspace, dict[str, Any]]]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    def validated(
        name: str,
        frame: pd.DataFrame | pa.Table,
        schema: TableSchema,
        *,
        streams: bool,
        **section: Any,
    ) -> tuple[Workspace, dict[str, Any]]:
        workspace = Workspace(tmp_path / name)
        about = {"kind": "table", "source": "files", "target": schema.target}
        about |= {"task": schema.task, "split_column": None, "origin": {}}
        with replace_folder(workspace.raw, about) as folder:
            write_table(folder / "table.parquet", frame)
        write_schema(workspace.root / SCHEMA, schema)
        if streams:
            monkeypatch.setattr(streaming, "WHOLE_CELLS", 0)
            monkeypatch.setattr(tables, "GROUP_CELLS", 0)  # batches of 1,024 rows
        result = validate_raw(workspace, ValidateSection(**section), SCHEMA)
        monkeypatch.undo()
        return workspace, result

    return validated


def read(workspace: Workspace, name: str) -> pd.DataFrame:
    return pd.read_parquet(workspace.validated / name)


def test_a_stream_gives_what_the_whole_table_gives(lab: Lab) -> None:
    schema = infer_schema(table(), "y", "binary")
    frame = broken(table())
    options = {"on_bad_rows": "quarantine", "max_bad_fraction": 0.3}
    (whole, one), (stream, two) = (
        lab(str(streams), frame, schema, streams=streams, **options) for streams in (False, True)
    )
    for name in ("table.parquet", "quarantine.parquet"):
        pd.testing.assert_frame_equal(read(whole, name), read(stream, name))
    assert one["n_quarantined"] == 4
    assert {key: one[key] for key in one if key != "raw_sha256"} == {
        key: two[key] for key in two if key != "raw_sha256"
    }
    reports = [read_json(w.reports / "validation.json") for w in (whole, stream)]
    assert reports[0] == reports[1]


def test_bytes_do_not_depend_on_batches_and_runs(lab: Lab) -> None:
    schema = infer_schema(table(), "y", "binary")
    folders = [
        lab(f"{streams}{turn}", table(), schema, streams=streams)[0]
        for streams, turn in ((False, 0), (False, 1), (True, 0), (True, 1))
    ]
    for name in ("validated/table.parquet", "validated/manifest.json"):
        texts = [(w.root / "data" / name).read_bytes() for w in folders]
        assert texts[0] == texts[1]
        assert texts[2] == texts[3]
    pages = [(w.reports / "validation.html").read_bytes() for w in folders]
    assert pages[0] == pages[1]
    assert pages[2] == pages[3]


@pytest.mark.parametrize("gap", [False, True])
def test_rows_that_pass_as_they_are_have_the_bytes_of_data_raw(lab: Lab, gap: bool) -> None:
    frame = table()[["x", "late", "truth", "day"]].assign(y=np.arange(N) % 2)
    schema = infer_schema(frame, "y", "binary")
    stored = pa.Table.from_pandas(frame, preserve_index=False)
    if gap:  # NaN, where a table of ours has null
        numbers = np.where(np.arange(N) == 3, np.nan, frame["x"])
        stored = stored.set_column(0, "x", pa.array(numbers))
        schema = infer_schema(frame.assign(x=numbers), "y", "binary")
    workspace, _ = lab("t", stored, schema, streams=True)
    raw, validated = (
        (folder / "table.parquet").read_bytes() for folder in (workspace.raw, workspace.validated)
    )
    assert (raw == validated) is not gap
    assert pq.read_table(workspace.validated / "table.parquet")["x"].null_count == gap
    whole, _ = lab("whole", stored, schema, streams=False)
    pd.testing.assert_frame_equal(*(read(w, "table.parquet") for w in (workspace, whole)))


def test_a_streamed_profile_is_exact_where_it_says_so(lab: Lab) -> None:
    schema = infer_schema(table(), "y", "binary")
    profiles = [
        read_json(lab(str(s), table(), schema, streams=s)[0].reports / "profile.json")["columns"]
        for s in (False, True)
    ]
    for name, whole in profiles[0].items():
        stream = profiles[1][name]
        for key in ("dtype", "count", "missing"):
            assert stream[key] == whole[key], (name, key)
        if "mean" in whole:
            assert stream["mean"] == pytest.approx(whole["mean"], rel=1e-9, abs=1e-12)
            assert stream["std"] == pytest.approx(whole["std"], rel=1e-9)
            assert stream["histogram"]["edges"] == pytest.approx(whole["histogram"]["edges"])
            assert sum(stream["histogram"]["counts"]) == whole["count"]
        # All rows are in the sample here, so that quantiles agree too.
        assert stream.get("quantiles") == whole.get("quantiles")
        assert stream.get("bins") == whole.get("bins")
    assert profiles[1]["city"]["levels"] == profiles[0]["city"]["levels"]
    assert profiles[1]["day"]["min"] == profiles[0]["day"]["min"]


def test_a_sample_stands_for_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = checking.sampled_rows(1_000_000, 2000)
    assert len(rows) == 10_000
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() == checking.sampled_rows(1_000_000, 2000).tolist()
    assert rows.mean() == pytest.approx(500_000, rel=0.02)
    assert checking.sampled_rows(300, 2000).tolist() == list(range(300))


def test_too_many_bad_rows_forget_their_places_and_are_counted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MANY_ROWS", 10)
    schema = infer_schema(table(), "y", "binary")
    frame = table()
    frame.loc[::2, "city"] = "Paris"
    with pytest.raises(BrokenRulesError, match=r"2500 values outside its levels .* 2490 more"):
        lab("t", frame, schema, streams=False)
    monkeypatch.setattr(checking, "MANY_ROWS", 10)
    with pytest.raises(BrokenRulesError, match=r"2500 of 5000 rows \(50.0%\) would be set aside"):
        lab("t", frame, schema, streams=True, on_bad_rows="quarantine", max_bad_fraction=0.1)


@pytest.mark.parametrize("n_distinct", [1, 50, SMALLEST - 1, 30_000])
def test_distinct_values_are_counted(n_distinct: int) -> None:
    rng = np.random.default_rng(1)
    distinct = _Distinct()
    values = rng.permutation(np.tile(np.arange(n_distinct) * 0.37, -(-200_000 // n_distinct)))
    for batch in np.array_split(values, 7):
        distinct.add(pd.Series(batch))
    count, is_exact = distinct.count()
    assert is_exact == (n_distinct < SMALLEST)
    assert count == pytest.approx(n_distinct, rel=0 if is_exact else 0.05)


def test_profiler_of_numbers_beyond_the_sample() -> None:
    sample = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    profiler = Profiler(sample)
    profiler.add(pd.DataFrame({"x": [-10.0, 0.5, np.nan]}))
    profiler.add(pd.DataFrame({"x": [2.5, 50.0, 1e6]}))
    about = profiler.result()["columns"]["x"]
    assert (about["min"], about["max"], about["count"], about["missing"]) == (-10.0, 1e6, 5, 1)
    edges, counts = about["histogram"]["edges"], about["histogram"]["counts"]
    assert (edges[0], edges[-1], sum(counts)) == (-10.0, 1e6, 5)
    assert counts[-1] == 2


def as_words(hashes: np.ndarray, at_once: int = 1000) -> Words:
    words = Words(len(hashes), at_once)
    for start in range(0, len(hashes), 7):
        words.put(start, hashes[start : start + 7])
    return words


def test_repeated_positions_come_after_their_first() -> None:
    hashes = as_words(np.array([5, 7, 5, 9, 7, 5], dtype=np.uint64))
    none = np.zeros(6, dtype=bool)
    assert repeated(hashes, none).tolist() == [2, 4, 5]
    none[0] = True
    assert repeated(hashes, none).tolist() == [4, 5]
    assert repeated(Words(0), none[:0]).tolist() == []


def test_repeats_are_the_same_when_the_words_lie_on_disk_and_are_sorted_in_parts() -> None:
    generator = np.random.default_rng(0)
    features = repeats.mix(generator.integers(0, 300, 1000).astype(np.uint64))
    targets = repeats.mix(features + generator.integers(0, 2, 1000).astype(np.uint64))
    bad = generator.random(1000) < 0.1
    found = []
    for at_once, n_parts in ((1000, 1), (16, 64)):
        pair = [as_words(features, at_once), as_words(targets, at_once)]
        assert pair[0].n_parts == n_parts
        assert np.array_equal(np.concatenate([words for _, words in pair[0].chunks()]), features)
        found_parts = (part_of(pair, bad, part) for part in range(n_parts))
        conflicts = [rows[repeats._conflicting(x, y)] for rows, x, y in found_parts]
        found.append((repeated(pair[0], bad), np.sort(np.concatenate(conflicts))))
    assert len(found[0][0])
    assert len(found[0][1])
    for at_once, in_parts in zip(*found, strict=True):
        assert np.array_equal(at_once, in_parts)
