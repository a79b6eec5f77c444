"""A compressed file is read as the file inside it; damage and bombs are refused."""

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from layerline.errors import SourceError
from layerline.sources import SOURCES
from layerline.sources.reading import compressed
from layerline.sources.reading.compressed import OPENERS, is_compressed, plain_name
from layerline.sources.reading.paths import find_files
from layerline.sources.reading.plain_copy import plain_copy
from layerline.tables.storage import read_table

ROWS = b"x,y\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 :][:1]) for i in range(2000))


def pack(content: bytes, ending: str, path: Path) -> Path:
    if ending == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(content)
    else:
        way = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[ending]
        path.write_bytes(way(content))
    return path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


@pytest.mark.parametrize("ending", OPENERS)
def test_it_is_read_as_the_file_inside(ending: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(ROWS)
    path = pack(ROWS, ending, tmp_path / f"t.csv{ending}")
    tables = []
    for given in ("t.csv", path.name):
        (tmp_path / "out").mkdir(exist_ok=True)
        info = SOURCES["files"].build(tmp_path / "out", "y", path=given)
        (file,) = info.origin["files"]
        assert file["path"] == given
        tables.append((tmp_path / "out" / "table.parquet").read_bytes())
    assert tables[0] == tables[1]
    assert SOURCES["files"].local_paths({"path": path.name}) == [path.name]


@pytest.mark.parametrize("ending", OPENERS)
def test_cut_and_flipped_bytes_are_refused(ending: str, tmp_path: Path) -> None:
    path = pack(ROWS, ending, tmp_path / f"t.csv{ending}")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-3], whole[:10] + b"\xff" * 4 + whole[14:]):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=r"damaged or truncated"):
            find_files(path.name)
        with pytest.raises(SourceError, match=r"damaged or truncated"), plain_copy(path):
            pass


def test_a_folder_and_a_pattern_may_hold_compressed_files(tmp_path: Path) -> None:
    for month, ending in (("year=2024", ".gz"), ("year=2025", ".xz")):
        (tmp_path / "shop" / month).mkdir(parents=True)
        pack(b"x,y\n1,a\n2,b\n", ending, tmp_path / "shop" / month / f"t.csv{ending}")
    (tmp_path / "out").mkdir()
    SOURCES["files"].build(tmp_path / "out", "y", path="shop")
    assert read_table(tmp_path / "out")["year"].tolist() == [2024, 2024, 2025, 2025]
    assert [file.name for file in find_files("shop/*/t.csv.*")] == ["t.csv", "t.csv"]


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "HARMLESS_BYTES", 1 << 20)
    path = pack(b"x,y\n" + b"0,a\n" * 2_000_000, ".xz", tmp_path / "t.csv.xz")
    with pytest.raises(SourceError, match="unpacks to more than 200 times its size"):
        find_files(path.name)
    with pytest.raises(SourceError, match="as decompression bombs do"), plain_copy(path):
        pass


def test_messages_name_the_compressed_file(tmp_path: Path) -> None:
    path = pack(b"x,y\n1,a\n2\n", ".gz", tmp_path / "t.csv.gz")
    (tmp_path / "out").mkdir()
    with pytest.raises(Exception, match=r"^t\.csv\.gz: .*line 3 has 1"):
        SOURCES["files"].build(tmp_path / "out", "y", path=path.name)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("t.csv.gz", "t.csv"),
        ("T.CSV.GZ", "T.CSV"),
        ("t.jsonl.zst", "t.jsonl"),
        ("t.tar.gz", "t.tar.gz"),
        ("t.csv", "t.csv"),
        ("gz", "gz"),
        ("t.gz", "t.gz"),
    ],
)
def test_names(name: str, plain: str) -> None:
    assert plain_name(Path(name)).name == plain
    assert is_compressed(Path(name)) == (name != plain)


def test_a_header_with_an_endless_number_costs_no_time(tmp_path: Path) -> None:
    """CVE-2024-6232: tarfile searched extended headers in quadratic time."""
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 400_000
    block = header.tobuf() + b"1" * header.size
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress(block + b"\0" * 20_000))
    assert path.stat().st_size < 2000
    with pytest.raises(SourceError, match="endless number"):  # else the test takes hours
        find_files(path.name)


def test_long_names_in_extended_headers_are_read(tmp_path: Path) -> None:
    with tarfile.open("t.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in ("ä" * 90 + ".csv", "b" * 200 + ".csv"):
            about = tarfile.TarInfo(name)
            about.size, about.mtime = len(ROWS), 1700000000.123456
            archive.addfile(about, io.BytesIO(ROWS))
    assert [file.read_bytes() for file in find_files("t.tar.gz")] == [ROWS, ROWS]
