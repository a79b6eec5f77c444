"""Files that a cluster's workers open, look at and read: the bytes and messages of one machine."""

import gzip
import json
import os
import pickle
import re
import shutil
import signal
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dask_workers import importable_tests, two_workers  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st

from layerline.artifacts import Workspace
from layerline.columns.forms import Choices
from layerline.config import FetchSection
from layerline.errors import DataError, LayerlineError, ParamsError, Problem, SourceError
from layerline.sources.fetch import fetch
from layerline.sources.reading import on_cluster, paths, remote
from layerline.sources.reading.batches import Batch, Column, Stream
from layerline.sources.reading.column_types import survey_columns
from layerline.sources.reading.file_surveys import Part
from layerline.tables import cluster
from layerline.tables.cluster import VARIABLE, Each, on_workers

distributed = pytest.importorskip("distributed")


def copied(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def elsewhere(
    function: Callable[[Any], Any], items: Iterable[Any], /
) -> Generator[Any, None, None]:
    """What a cluster does, in this process: a worker has copies, and so has who asked it."""
    function = copied(function)
    for item in items:
        try:
            found = function(copied(item))
        except LayerlineError as error:
            raise copied(error) from None
        yield copied(found)


# The types that all rows show.

POOLS: dict[str, tuple[str | None, ...]] = {
    "whole": ("0", "7", "-12", "+5", "1940"),
    "large": ("9007199254740993", str(2**63), "123456789012345678"),
    "decimal": ("1.5", "-0", "1e3", ".5", "1940", "inf", "1e400"),
    "grouped": ("1.940", "12.345", "3"),
    "comma": ("12,50", "-3,5", "1.234,5", "7"),
    "open": ("1,234", "12,345", "5"),
    "unit": ("5 €", "12 €", "1,50 €"),
    "date": ("2024-02-29", "2023-01-31 10:00"),
    "day first": ("31/12/2024", "01/02/2024"),
    "either": ("03/04/2024", "05/06/2024"),
    "short": ("23-01-31", "24-11-02"),
    "truth": ("true", "FALSE"),
    "yes": ("yes", "No"),
    "one": ("yes", "1", "0"),
    "text": ("Ulm", "n/a x", "00123"),
    "gap": (None, "NA", ""),
    "nothing": (None,),
}
USUAL = ("whole", "comma", "decimal", "gap", "open", "date", "day first", "text")


@st.composite
def columns(draw: st.DrawFn) -> list[list[list[str | None]]]:
    """Fields by file and batch: of one kind mostly, of any now and then."""
    kind = draw(st.sampled_from(USUAL))
    others = st.sampled_from(sorted(POOLS))
    files = []
    for _ in range(4):
        pool = POOLS[kind if draw(st.booleans()) else draw(others)]
        n_batches = draw(st.integers(1, 2))
        fields = st.lists(st.sampled_from(pool), min_size=1, max_size=3)
        files.append([draw(fields) for _ in range(n_batches)])
    return files


def batches(
    table: dict[str, list[list[str | None]]], wanted: Collection[str] | None
) -> Iterator[Batch]:
    for number in range(2):
        found = {}
        for name, cut in table.items():
            if wanted is None or name in wanted:
                fields = cut[number] if number < len(cut) else []
                values = pa.array([field or None for field in fields], pa.string())
                found[name] = Column(pa.chunked_array([values]), "fields")
        yield Batch(0, found)


def decided(parts: list[Part], choices: Choices, each: Each | None) -> object:
    try:
        return survey_columns(parts, set(), choices, each)
    except DataError as error:
        return str(error)


def as_parts(*columns: list[list[list[str | None]]]) -> list[Part]:
    """Files of columns, of which each has its fields by file and batch."""
    names = tuple(str(i) for i in range(len(columns)))
    parts = []
    for number in range(len(columns[0])):
        rows = {name: column[number] for name, column in zip(names, columns, strict=True)}
        stream = Stream(Path(f"{number}.csv"), partial(batches, rows), names)
        parts.append(Part(stream, {}, None))  # type: ignore[arg-type]
    return parts


@settings(max_examples=100)
@given(
    st.lists(columns(), min_size=1, max_size=3),
    st.sampled_from([Choices(), Choices(",", "day_first"), Choices(targets=("0",))]),
)
def test_files_seen_alone_decide_what_files_in_a_row_decide(
    table: list[list[list[list[str | None]]]], choices: Choices
) -> None:
    parts = as_parts(*table)
    assert decided(parts, choices, elsewhere) == decided(parts, choices, None)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (("inf", "5.5"), "double"),
        (("5", "5.5", "7"), "double"),
        (("9007199254740993", None), "string"),
        ((None, "9007199254740993"), "string"),
        (("7", str(2**63), "7"), "string"),
        (("5 €", "6 kg"), "string"),
        (("5 €", "6 €"), "int64"),
        (("5 €", "6,50 €"), "double"),
        (("yes", "No"), "bool"),
        (("yes", "Ja", "No"), "bool"),
        (("yes", "Ulm", "No"), "string"),
        (("1,234", "7", "12,50"), "double"),
        (("7", "1,234", "1.234,5"), "double"),
        (("12,50", "1.50"), "string"),
        (("1 234", "1'234"), "string"),
        (("01/02/2024", "31/12/2024"), "timestamp[us]"),
        (("31/12/2024", "12/31/2024"), "string"),
        (("2024-01-31", "31.12.2024"), "timestamp[us]"),
        (("2024-01-31", "7"), "string"),
    ],
)
def test_what_one_file_shows_counts_for_all(files: tuple[str | None, ...], kind: str) -> None:
    parts = as_parts([[[field]] for field in files])
    found = survey_columns(parts, set(), Choices(), elsewhere)
    assert found == survey_columns(parts, set(), Choices(), None)
    assert str(found.kinds["0"].type) == kind


KINDS: dict[str, pa.Array] = {
    "whole": pa.array([1, 2]),
    "beyond": pa.array([2**53 + 1, None]),
    "float": pa.array([1.5, None]),
    "truth": pa.array([True, None]),
    "text": pa.array(["a", None]),
    "nothing": pa.array([None, None], pa.float64()),
}


def typed_batches(values: list[tuple[str, Any]], wanted: object) -> Iterator[Batch]:
    for form, value in values:
        yield Batch(2, {"x": Column(pa.chunked_array([value]), form)})  # type: ignore[arg-type]


DIGITS = ("numbers", pa.array(["5", str(2**64)]))
VALUES = [
    *(("typed", value) for value in KINDS.values()),
    DIGITS,
    ("text", pa.array(["2024-01-31"])),
]


@settings(max_examples=100)
@given(st.lists(st.lists(st.sampled_from(VALUES), max_size=2), min_size=2, max_size=3))
def test_columns_of_several_types_conflict_in_the_same_words(
    files: list[list[tuple[str, Any]]],
) -> None:
    parts = [
        Part(Stream(Path(f"{i}.jsonl"), partial(typed_batches, values)), {}, None)  # type: ignore[arg-type]
        for i, values in enumerate(files)
    ]
    assert decided(parts, Choices(), elsewhere) == decided(parts, Choices(), None)


# Whole fetches.

Write = Callable[[Path], None]


def texts(*contents: str, kind: str = "csv") -> Write:
    def write(folder: Path) -> None:
        for number, content in enumerate(contents):
            (folder / f"{number}.{kind}").write_text(content)

    return write


def lines(*objects: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in objects)


def packed(folder: Path) -> None:
    for number in range(3):
        (folder / f"{number}.csv.gz").write_bytes(gzip.compress(b"x,y\n%d,a\n5,b\n" % number))


def partitions(kind: str, values: tuple[str, ...]) -> Write:
    def write(folder: Path) -> None:
        rng = np.random.default_rng(0)
        for value in values:
            place = folder / f"k={value}"
            place.mkdir()
            frame = pd.DataFrame(
                {"x": rng.normal(size=70_000), "y": rng.choice(["a", "b"], 70_000)}
            )
            frame["n"] = pd.array(rng.integers(0, 9, 70_000), dtype="UInt64")
            if kind == "parquet":
                frame.to_parquet(place / "t.parquet")
            else:
                frame.to_feather(place / "t.feather")

    return write


def damaged(folder: Path) -> None:
    partitions("parquet", ("1", "2", "3"))(folder)
    whole = (folder / "k=2" / "t.parquet").read_bytes()
    (folder / "k=2" / "t.parquet").write_bytes(whole[:-9000])


LATE = "x,y,z,town\n12,1,03/04/2024,Ulm\n7,2.5,05/06/2024,Bonn\n"
GOOD: dict[str, tuple[Write, dict[str, Any]]] = {
    "a late comma": (texts(LATE, LATE, 'x,y,z,town\n"12,50","1.940",31/12/2024,x\n'), {}),
    "a late text": (texts("x,y\n1,a\n2,b\n", "x,y\n3,a\n", "x,y\nfour,b\n"), {}),
    "words and notes": (
        texts("x,y\nNA,a\n9007199254740993,b\n", "x,y\n5,a\n# no row\n6,b", "x,y\n7,a\n"),
        {"missing": ["-"]},
    ),
    "a union": (texts("x,y\n1,a\n2,b\n", "y,w\nb,8\n", "x,y\n3,a\n"), {"union": True}),
    "chosen": (texts('x,y\n"1,234",a\n', 'x,y\n"2,345",b\n'), {"decimal": ",", "text": ["y"]}),
    "late keys": (
        texts(
            lines({"x": 1, "y": "a"}, {"y": "b"}),
            lines({"x": 2**53 + 1, "y": "a", "d": "2024-01-31"}),
            lines({"y": "b", "t": True}),
            kind="jsonl",
        ),
        {"union": True},
    ),
    "Parquet by folders": (partitions("parquet", ("1", "2", "x")), {}),
    "folders in a form": (partitions("parquet", ("1", "2,5", "3")), {}),
    "Arrow": (partitions("feather", ("a", "b")), {}),
    "packed": (packed, {}),
}
BAD: dict[str, tuple[Write, dict[str, Any], str]] = {
    "ragged": (texts("x,y\n1,a\n", "x,y\n2,b\n3\n", "x,y\n4,a\n"), {}, "1.csv.*line 3"),
    "types": (
        texts(*(lines({"x": x, "y": "a"}) for x in (1, "two", True)), kind="jsonl"),
        {},
        r"column 'x' is numbers in \S+0.jsonl and text in \S+1.jsonl",
    ),
    "types in one": (
        texts(lines({"x": True, "y": "a"}), lines({"x": 1}, {"x": "two"}), kind="jsonl"),
        {},
        r"1.jsonl: column 'x' holds numbers and text",
    ),
    "columns": (texts("x,y\n1,a\n", "x,y\n2,b\n", "x,w\n2,b\n"), {}, "2.csv: its columns differ"),
    "range": (
        texts("x,y\n1.5,a\n", "x,y\n2.5,b\n1e400,a\n", "x,y\n1e400,b\n1e-400,a\n"),
        {},
        r"1.csv: column 'x', data row 2: 1e400 would become infinite .* \(2 such values\)",
    ),
    "a question": (texts('x,y\n"1,234",a\n', 'x,y\n"2,345",b\n'), {}, "'1,234' can be 1234"),
    "no rows": (texts("x,y\n", "x,y\n"), {}, "0.csv and 1 more files: there is a header"),
    "an encoding": (texts("x,y\n1,a\n", "x,y\n2,b\n"), {"encoding": "hex"}, "'hex' is unknown"),
    "damaged": (damaged, {}, r"k=2/t.parquet: not a readable Parquet file"),
}


def build(root: Path, **options: Any) -> dict[str, bytes] | tuple[type, str]:
    """The bytes of data/raw, or the error."""
    section = FetchSection(source="files", options={"path": "rows", **options}, target="y")
    workspace = Workspace(root)
    try:
        fetch(workspace, section)
    except LayerlineError as error:
        assert not workspace.raw.exists()
        return type(error), str(error)
    finally:
        left = [path.name for path in (root / "data").iterdir()]
        assert left in ([], ["raw"])
    return {file.name: file.read_bytes() for file in workspace.raw.iterdir()}


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "rows").mkdir()
    return tmp_path / "rows"


@pytest.mark.parametrize("case", GOOD)
def test_data_raw_is_that_of_one_machine(
    case: str, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, options = GOOD[case]
    write(rows)
    local = build(Path("local"), **options)
    assert isinstance(local, dict)
    assert set(local) == {"table.parquet", "manifest.json"}
    monkeypatch.setattr(cluster, "workers", lambda: elsewhere)
    assert build(Path("far"), **options) == local


@pytest.mark.parametrize("case", BAD)
def test_errors_are_those_of_one_machine(
    case: str, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, options, words = BAD[case]
    write(rows)
    local = build(Path("local"), **options)
    assert isinstance(local, tuple)
    assert re.search(words, local[1], re.S)
    monkeypatch.setattr(cluster, "workers", lambda: elsewhere)
    assert build(Path("far"), **options) == local


def test_folders_in_a_form_of_their_own_are_read_in_it(rows: Path) -> None:
    partitions("parquet", ("1", "2,5", "3"))(rows)
    assert isinstance(build(Path("local")), dict)
    table = pd.read_parquet("local/data/raw/table.parquet")
    assert table["k"].unique().tolist() == [1.0, 2.5, 3.0]


def test_an_error_with_its_problems_comes_back_as_it_was() -> None:
    error = ParamsError([Problem("fetch.options.path", "is wrong")], "layerline init")
    error.args = ("in other words",)
    found = copied(error)
    assert type(found) is ParamsError
    assert (str(found), found.problems) == ("in other words", error.problems)


def test_a_file_that_a_worker_does_not_see_is_named(
    rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts("x,y\n1,a\n", "x,y\n2,b\n")(rows)

    def blind(function: object, items: Iterable[Any], /) -> Iterator[None]:
        yield from (None for _ in items)

    monkeypatch.setattr(cluster, "workers", lambda: blind)
    kind, message = build(Path("far"))
    assert kind is SourceError
    assert message.startswith("rows/0.csv: a worker of the cluster cannot read this file; files")


def test_a_file_that_changes_between_two_looks_is_refused(
    rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts("x,y\n1,a\n", "x,y\n2,b\n", "x,y\n3,a\n")(rows)

    def late(function: Any, items: Iterable[Any], /) -> Generator[Any, None, None]:
        if function.func is on_cluster._write_rows:
            (rows / "1.csv").write_text("x,y\n9,b\n")
        yield from elsewhere(function, items)

    monkeypatch.setattr(cluster, "workers", lambda: late)
    assert build(Path("far")) == (
        SourceError,
        "rows/1.csv: was changed while it was read; run again when it is complete",
    )


def test_rows_that_did_not_arrive_are_missed(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts("x,y\n1,a\n", "x,y\n2,b\n")(rows)

    def cut(function: Any, items: Iterable[Any], /) -> Generator[Any, None, None]:
        for found in elsewhere(function, items):
            if function.func is on_cluster._write_rows:
                os.truncate(found.path, found.n_bytes - 8)
            yield found

    monkeypatch.setattr(cluster, "workers", lambda: cut)
    kind, message = build(Path("far"))
    assert kind is SourceError
    assert re.search(r"a worker wrote (\d+) bytes, of which (?!\1)\d+ are here", message)


def test_one_file_stays_here(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts("x,y\n1,a\n2,b\n")(rows)

    def never(function: object, items: object, /) -> Iterator[None]:
        raise AssertionError

    monkeypatch.setattr(cluster, "workers", lambda: never)
    assert isinstance(build(Path("far")), dict)


def test_rows_that_a_killed_stage_left_are_removed_by_the_next(
    rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts("x,y\n1,a\n2,b\n", "x,y\n3,b\n4,a\n")(rows)

    def kept(*_: object) -> None:  # as if the process ended here
        (folder,) = Path("far/data").glob(".raw.*.*.tmp")
        shutil.copytree(folder, folder.with_suffix(".kept.tmp"))
        raise KeyboardInterrupt

    section = FetchSection(source="files", options={"path": "rows"}, target="y")
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "workers", lambda: elsewhere)
        patch.setattr(pa.ipc, "open_file", kept)
        with pytest.raises(KeyboardInterrupt):
            fetch(Workspace(Path("far")), section)
    (left,) = Path("far/data").iterdir()
    assert list(left.glob("*.arrow"))
    assert isinstance(build(Path("far")), dict)  # and nothing lies beside data/raw


# A real cluster.


N_FILES = 8


class DiesOnce:
    """The process that comes first to the end of the fifth file is killed, in each kind of work."""

    def __init__(self, function: Callable[[Any], Any], markers: Path) -> None:
        self._function, self._markers = function, markers

    def __call__(self, item: Any) -> Any:
        found = self._function(item)
        kind = getattr(getattr(self._function, "func", None), "__name__", "")
        marker = self._markers / kind
        path = item.path if isinstance(item, Part) else item[0]
        if kind in ("_look_alone", "_write_rows") and path.name == "5.csv" and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return found


def test_workers_give_the_bytes_of_one_machine_though_two_are_killed(
    rows: Path, workers: "distributed.LocalCluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for number in range(N_FILES):
        frame = pd.DataFrame(rng.normal(size=(9000, 4)), columns=list("abcd"))
        frame["day"] = [f"{day:02}/{1 + number:02}/2024" for day in rng.integers(1, 13, 9000)]
        frame["price"] = [f"{n}" for n in rng.integers(1, 999, 9000)]
        frame["y"] = rng.choice(["a", "b"], 9000)
        if number == N_FILES - 1:
            frame.loc[8999, ["day", "price"]] = "31/12/2024", "12,50"
        frame.to_csv(rows / f"{number}.csv", index=False)
    local = build(Path("local"))
    assert b'"dates": "day_first"' in local["manifest.json"]  # type: ignore[index]
    markers = rows.parent / "markers"
    markers.mkdir()

    def mortal(
        function: Callable[[Any], Any], items: Iterable[Any], /
    ) -> Generator[Any, None, None]:
        yield from on_workers(workers.scheduler_address, DiesOnce(function, markers), items)

    monkeypatch.setattr(cluster, "workers", lambda: mortal)
    assert build(Path("far")) == local
    assert {marker.name for marker in markers.iterdir()} == {"_look_alone", "_write_rows"}


def set_environment(values: dict[str, str]) -> None:
    os.environ.update(values)


@pytest.mark.filterwarnings("default")  # boto3 and moto have deprecations of their own
def test_workers_copy_what_lies_in_an_object_store(
    rows: Path, workers: "distributed.LocalCluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "s3cret"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        client.create_bucket(Bucket="shop")
        for number in range(N_FILES):
            key, body = f"rows/part={number}/t.csv.gz", gzip.compress(b"x,y\n%d,a\n5,b\n" % number)
            client.put_object(Bucket="shop", Key=key, Body=body)
        given = {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}
        given |= {name.upper(): key for name, key in keys.items()}
        monkeypatch.setenv("DVC_ROOT", str(rows.parent / "main"))  # as in an experiment's copy
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        path = "s3://shop/rows/part=*/*.csv.gz"
        local = build(Path("local"), path=path)
        assert isinstance(local, dict)
        for copy in remote.downloads().iterdir():
            copy.rename(rows / copy.name)  # to be copied again
        with distributed.Client(workers.scheduler_address, set_as_default=False) as asking:
            asking.run(set_environment, given)  # each worker has credentials of its own
        monkeypatch.setattr(paths, "download", None)  # this process copies nothing
        monkeypatch.setenv(VARIABLE, workers.scheduler_address)
        assert build(Path("far"), path=path) == local
    finally:
        server.stop()
