"""Every source keeps the contract; each of its errors ends in one message with its exit code."""

import gzip
import importlib.util
import inspect
import os
import sqlite3
import struct
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import layerline.sources
from layerline.errors import DataError, LayerlineError, ParamsError, SourceError
from layerline.lookup import option_problems
from layerline.sources import SOURCES
from layerline.sources.fetch import load_libraries
from layerline.sources.torchvision import IDX_FILES
from layerline.tables.storage import read_images, read_table


def idx(values: np.ndarray) -> bytes:
    head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def write_idx(folder: Path, *, packed: bool, n_train: int = 12, n_test: int = 5) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images = []
    for part, n in (("train", n_train), ("t10k", n_test)):
        images.append(rng.integers(0, 256, (n, 28, 28)))
        for name, values in (("images-idx3", images[-1]), ("labels-idx1", np.arange(n) % 10)):
            file = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            file.write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    return np.concatenate(images)


@pytest.fixture
def options(tmp_path: Path, openml_cache: dict[str, object]) -> dict[str, dict[str, object]]:
    """Options that work offline, for every source."""
    write_idx(tmp_path / "idx", packed=True)
    table = tmp_path / "t.csv"
    table.write_text("x,target\n1,a\n2,b\n")
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("CREATE TABLE t (x, target)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, "b")])
    connection.close()
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (4, 3)).save(tmp_path / "pictures" / name / "1.png")
    return {
        "files": {"path": str(table)},
        "image_folder": {"path": str(tmp_path / "pictures"), "mode": "L"},
        "openml": openml_cache,
        "sklearn": {"dataset": "iris"},
        "sql": {"url": f"sqlite:///{tmp_path / 't.db'}", "query": "SELECT * FROM t ORDER BY x"},
        "torchvision": {"dataset": "MNIST", "root": str(tmp_path / "idx")},
    }


def test_each_file_in_sources_has_its_line_in_the_table() -> None:
    files = {path.stem for path in Path(layerline.sources.__file__).parent.glob("*.py")}
    assert files - {"__init__", "source", "fetch", "last_fetch", "own_source"} == set(SOURCES)
    for name, line in SOURCES.items():
        assert line.build.__module__ == f"layerline.sources.{name}"


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_contract(name: str, options: dict[str, dict[str, object]], tmp_path: Path) -> None:
    assert option_problems(SOURCES[name].build, options[name], "fetch.options") == []
    assert option_problems(SOURCES[name].build, options[name] | {"bogus": 1}, "fetch.options")
    hashes = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        info = SOURCES[name].build(folder, "target", **options[name])
        rows = read_table(folder)
        assert "target" in rows
        if info.kind == "images":
            images = read_images(folder)
            assert len(images) == len(rows)
            assert images.dtype == np.uint8
        if info.split_column is not None:
            assert set(rows[info.split_column]) <= {"train", "valid", "test"}
        hashes.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert hashes[0] == hashes[1]


OPENED: list[Path] = []
sys.addaudithook(
    lambda event, given: (
        OPENED.append(Path(os.fsdecode(given[0])))
        if event in ("open", "sqlite3.connect") and isinstance(given[0], str | bytes | Path)
        else None
    )
)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_what_a_source_reads_is_watched_or_never_changes(
    name: str, options: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    line, out = SOURCES[name], tmp_path / "out"
    out.mkdir()
    OPENED.clear()
    line.build(out, "target", **options[name])
    read = {file for file in OPENED if file.is_relative_to(tmp_path)}
    read = {file for file in read if not file.is_relative_to(out) and file.is_file()}
    watched = [Path(path) for path in line.local_paths(options[name])]
    assert all(path.exists() for path in watched)
    if not line.is_versioned:
        assert read
        assert all(any(file.is_relative_to(path) for path in watched) for file in read), read
        assert not line.reads_elsewhere(options[name])


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_libraries_are_known_by_name(name: str) -> None:
    for library in SOURCES[name].libraries:
        assert importlib.util.find_spec(library)
    load_libraries(name)
    load_libraries("a source that is misspelt")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_options_are_keyword_only_and_typed(name: str) -> None:
    parameters = list(inspect.signature(SOURCES[name].build).parameters.values())
    assert [p.name for p in parameters[:2]] == ["folder", "target"]
    for parameter in parameters[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.annotation is not parameter.empty


@pytest.mark.parametrize(
    ("dataset", "shape", "levels"),
    [
        ("digits", (1797, 65), set(range(10))),
        ("iris", (150, 5), {"setosa", "versicolor", "virginica"}),
        ("breast_cancer", (569, 31), {"malignant", "benign"}),
        ("wine", (178, 14), {"class_0", "class_1", "class_2"}),
        ("diabetes", (442, 11), None),
    ],
)
def test_sklearn(
    dataset: str, shape: tuple[int, int], levels: set[object] | None, tmp_path: Path
) -> None:
    SOURCES["sklearn"].build(tmp_path, "y", dataset=dataset)
    rows = read_table(tmp_path)
    assert rows.shape == shape
    if levels is None:
        assert pd.api.types.is_float_dtype(rows["y"])
    else:
        assert set(rows["y"]) == levels


def test_sklearn_refuses_a_target_that_is_a_feature(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"fetch\.target: 'alcohol' is a feature of wine"):
        SOURCES["sklearn"].build(tmp_path, "alcohol", dataset="wine")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("layout", ["", "raw", "FashionMNIST/raw"])
def test_torchvision_reads_every_layout(packed: bool, layout: str, tmp_path: Path) -> None:
    images = write_idx(tmp_path / "root" / layout, packed=packed)
    (tmp_path / "out").mkdir()
    info = SOURCES["torchvision"].build(
        tmp_path / "out", "label", dataset="FashionMNIST", root=str(tmp_path / "root")
    )
    rows = read_table(tmp_path / "out")
    assert (read_images(tmp_path / "out") == images).all()
    assert rows["label"].tolist() == [*np.arange(12) % 10, *np.arange(5)]
    assert rows["split"].tolist() == ["train"] * 12 + ["test"] * 5
    assert info.origin["class_names"][0] == "T-shirt/top"


@pytest.mark.parametrize("packed", [True, False])
def test_torchvision_cut_file(packed: bool, tmp_path: Path) -> None:
    write_idx(tmp_path, packed=packed)
    file = next(tmp_path.glob("train-images*"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(SourceError, match="damaged or truncated") as caught:
        SOURCES["torchvision"].build(tmp_path, "y", dataset="MNIST", root=str(tmp_path))
    assert caught.value.exit_code == 4


def test_torchvision_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_idx(tmp_path, packed=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(3)))
    with pytest.raises(SourceError, match="do not match"):
        SOURCES["torchvision"].build(tmp_path, "y", dataset="MNIST", root=str(tmp_path))


def test_torchvision_without_files_and_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerline.vision import torchvision_datasets

    # A port that nothing listens on is a network that is down.
    monkeypatch.setattr(torchvision_datasets().MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(SourceError, match="no mirror could be reached") as caught:
        SOURCES["torchvision"].build(tmp_path, "y", dataset="MNIST", root=str(tmp_path / "typo"))
    assert all(name in str(caught.value) for name in IDX_FILES)


def fetch_file(tmp_path: Path, path: Path | str, target: str = "y", **options: object) -> None:
    (tmp_path / "out").mkdir(exist_ok=True)
    SOURCES["files"].build(tmp_path / "out", target, path=str(path), **options)


GOOD = b"x,y\n1,a\n2,b\n"


@pytest.mark.parametrize(
    ("content", "name", "options", "code", "message"),
    [
        (b"", "t.csv", {}, 3, "the file is empty"),
        (b"", "t.parquet", {}, 3, "the file is empty"),
        (b"\n\n", "t.csv", {}, 3, "has no line but blank ones"),
        (b"x,y\n", "t.csv", {}, 3, "no row of data"),
        (b"x,x,y\n1,2,3\n", "t.csv", {}, 3, "names 'x' more than once"),
        (b"x,y\n1,2\n3,4,5\n6\n", "t.csv", {}, 3, "line 3 has 3, line 4 has 1"),
        (b'x,y\n"1",2\n3,4,5\n', "t.csv", {}, 3, "line 3 has 3"),
        (b'x,y\n1,"2\n3,4\n', "t.csv", {}, 3, "unexpected end of data"),
        (b'x,y\n1,"2"z\n', "t.csv", {}, 3, "line 2: ',' expected after '\"'"),
        (
            b"x,y\n1,\xe9\n",
            "t.csv",
            {"encoding": "utf-8"},
            3,
            "line 2 is not utf-8: it has the byte 0xe9",
        ),
        (b"x,y\n1,a\0b\n", "t.csv", {}, 3, "line 2 has a NUL byte"),
        (b"x,y\n1.5,a\n1e400,b\n", "t.csv", {}, 3, "data row 2: 1e400 would become infinite"),
        (b"x,y\n1.5,a\n1e-400,b\n", "t.csv", {}, 3, "1e-400 would become zero"),
        (GOOD, "t.csv", {"target": "Y "}, 3, "no target column 'Y '; did you mean 'y'?"),
        (GOOD, "t.csv", {"separator": ";"}, 3, "set fetch.options.separator: ','"),
        (GOOD, "t.csv", {"separator": "ab"}, 2, "must be one character"),
        (GOOD, "t.csv", {"encoding": "utf-9"}, 2, "'utf-9' is unknown"),
        (GOOD, "t.csv", {"text": ["z"]}, 2, "has no column 'z'"),
        (GOOD, "t.sav", {}, 2, "is of an unknown kind"),
        (b"PAR1 not at all PAR1", "t.parquet", {}, 4, "damaged or truncated"),
    ],
)
def test_files_refused(
    content: bytes, name: str, options: dict[str, object], code: int, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LayerlineError) as caught:
        fetch_file(tmp_path, tmp_path / name, **options)
    assert message in str(caught.value)
    assert caught.value.exit_code == code
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_damaged_parquet(how: str, tmp_path: Path) -> None:
    from layerline.tables.storage import write_table

    path = tmp_path / "t.parquet"
    write_table(path, pd.DataFrame({"x": np.arange(500) * 7919 % 501, "y": ["a", "b"] * 250}))
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content if how == "flipped" else path.read_bytes()[:-50])
    with pytest.raises(SourceError, match="damaged or truncated") as caught:
        fetch_file(tmp_path, path)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("path", ["absent.csv", "*.csv", "empty_folder", "ftp://x/t.csv"])
def test_nothing_there(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty_folder").mkdir()
    with pytest.raises(LayerlineError) as caught:
        fetch_file(tmp_path, path)
    assert caught.value.exit_code == (2 if "://" in path else 4)


def test_a_misspelt_path_names_the_closest(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_bytes(GOOD)
    with pytest.raises(SourceError, match=r"did you mean .*houses\.csv"):
        fetch_file(tmp_path, tmp_path / "house.csv")


def test_many_files_are_typed_as_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,zip,y\n1,123,a\n")
    (tmp_path / "b.csv").write_text("zip,x,y\n00123,2.5,b\n")
    fetch_file(tmp_path, tmp_path / "*.csv")
    rows = read_table(tmp_path / "out")
    assert rows["x"].tolist() == [1.0, 2.5]
    assert rows["zip"].tolist() == ["123", "00123"]


def test_many_files_need_equal_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    (tmp_path / "b.csv").write_text("z,y\n1,a\n")
    with pytest.raises(DataError, match="lacks x and adds z"):
        fetch_file(tmp_path, tmp_path)


def test_parquet_types_become_five(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "small": np.array([1, 2, 3], dtype=np.int8),
            "single": np.array([0.5, 1.5, np.nan], dtype=np.float32),
            "gap": pd.array([1, None, 3], dtype="Int64"),
            "level": pd.Categorical(["b", "a", None]),
            "truth": pd.array([True, None, False], dtype="boolean"),
            "day": pd.to_datetime(["2020-01-01"] * 3).tz_localize("Europe/Berlin"),
            "big": np.array([1, 2, 2**63], dtype=np.uint64),
            "y": ["a", "b", "a"],
        },
        index=[5, 7, 9],
    )
    frame.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "out").mkdir()
    info = SOURCES["files"].build(tmp_path / "out", "y", path=str(tmp_path / "t.parquet"))
    rows = read_table(tmp_path / "out")
    assert [str(t) for t in rows.dtypes] == [
        *("int64", "float64", "float64", "str", "object", "datetime64[us]", "str", "str")
    ]
    assert rows["big"].tolist() == ["1", "2", str(2**63)]
    assert rows["truth"].tolist() == [True, None, False]
    assert rows["day"].iloc[0] == pd.Timestamp("2019-12-31 23:00")
    assert len(info.notes) == 3


def test_a_target_of_lists_is_refused_with_its_type(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1, 2], "y": [["a"], ["b"]]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="column 'y' is of type list"):
        fetch_file(tmp_path, tmp_path / "t.parquet")
