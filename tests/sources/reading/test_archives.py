"""Archives: their files are read, and what leads elsewhere, inflates or is damaged is refused."""

import io
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from fileserver import file_server

from layerline.errors import DataError, SourceError
from layerline.sources import SOURCES, SourceInfo
from layerline.sources.reading import archives, compressed
from layerline.sources.reading.archives import split_archive, unpack
from layerline.sources.reading.remote import downloads
from layerline.tables.storage import read_table

ROWS = b"x,y\n1,a\n2,b\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def write_zip(members: dict[str, bytes], name: str = "t.zip") -> Path:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return Path(name)


def write_tar(members: dict[str, bytes], name: str = "t.tar.gz") -> Path:
    kind = "w" if name.endswith(".tar") else f"w:{name.rpartition('.')[2]}"
    with tarfile.open(name, kind) as archive:  # type: ignore[call-overload]
        for member, content in members.items():
            about = tarfile.TarInfo(member)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return Path(name)


def fetch(path: str, **options: object) -> tuple[pd.DataFrame, SourceInfo]:
    Path("out").mkdir(exist_ok=True)
    info = SOURCES["files"].build(Path("out"), "y", path=path, **options)
    return read_table(Path("out")), info


@pytest.mark.parametrize("name", ["t.zip", "t.tar", "t.tar.gz", "t.tar.bz2", "t.tar.xz"])
def test_the_files_of_an_archive_are_one_table(name: str) -> None:
    write = write_zip if name == "t.zip" else write_tar
    write({"top/a.csv": ROWS, "top/b.csv": b"x,y\n3,c\n", "__MACOSX/._a.csv": b"?"}, name)
    rows, info = fetch(name)
    assert rows["x"].tolist() == [1, 2, 3]
    files = [file["path"] for file in info.origin["files"]]
    assert files == [f"{name}/top/a.csv", f"{name}/top/b.csv"]


def test_a_path_goes_on_inside_an_archive() -> None:
    write_zip({"top/a.csv": ROWS, "top/b.csv": b"x,y\n3,c\n", "year=2024/c.csv": ROWS})
    assert len(fetch("t.zip/top/b.csv")[0]) == 1
    assert len(fetch("t.zip/top/*.csv")[0]) == 3
    with pytest.raises(SourceError, match="no such file or folder"):
        fetch("t.zip/top/c.csv")


def test_partitions_inside_an_archive() -> None:
    write_zip({"year=2023/c.csv": ROWS, "year=2024/c.csv": ROWS})
    assert fetch("t.zip")[0]["year"].tolist() == [2023, 2023, 2024, 2024]


def test_messages_name_the_archive() -> None:
    write_zip({"a.csv": b"x,y\n1,2,3\n"})
    with pytest.raises(DataError) as caught:
        fetch("t.zip")
    assert str(caught.value).startswith("t.zip/a.csv: the header names 2 columns")


def test_a_remote_archive_and_its_sha256() -> None:
    with file_server() as server:
        content = write_zip({"a.csv": ROWS}).read_bytes()
        server.behaviour.files["far.zip"] = content
        rows, info = fetch(server.url("far.zip"), sha256=archives.sha256_of(Path("t.zip")))
        assert len(rows) == 2
        assert info.origin["files"][0]["path"] == f"{server.url('far.zip')}/a.csv"
        with pytest.raises(SourceError, match=r"sha256 is 000"):
            fetch(server.url("far.zip"), sha256="0" * 64)
    with pytest.raises(SourceError, match=r"t\.zip: its sha256"):
        fetch("t.zip", sha256="0" * 64)


def test_what_was_unpacked_is_checked_before_it_is_used_again() -> None:
    place = unpack(write_zip({"a.csv": ROWS})) / "a.csv"
    inode = place.stat().st_ino
    assert (unpack(Path("t.zip")) / "a.csv").stat().st_ino == inode
    place.write_bytes(b"x,y\n9,z\n")
    assert fetch("t.zip")[0]["x"].tolist() == [1, 2]


OUTSIDE = ["../a.csv", "a/../../b.csv", "/etc/a.csv", "C:/a.csv", "..\\a.csv", "\\\\h\\a.csv"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_names_that_lead_out_are_refused(name: str, write: object) -> None:
    archive = write({"ok.csv": ROWS, name: ROWS})  # type: ignore[operator]
    with pytest.raises(SourceError, match="leads out of the archive's own folder") as caught:
        fetch(str(archive))
    assert caught.value.exit_code == 4
    assert not list(Path().rglob("b.csv"))
    assert not list(downloads().rglob("ok.csv"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(kind: bytes) -> None:
    with tarfile.open("t.tar", "w") as archive:
        about = tarfile.TarInfo("a.csv")
        about.type, about.linkname = kind, "/etc/passwd"
        archive.addfile(about)
    with pytest.raises(SourceError, match="is a link or a device"):
        fetch("t.tar")


def test_a_link_in_a_zip_is_refused() -> None:
    with zipfile.ZipFile("t.zip", "w") as archive:
        about = zipfile.ZipInfo("a.csv")
        about.create_system, about.external_attr = 3, 0o120777 << 16
        archive.writestr(about, "/etc/passwd")
    with pytest.raises(SourceError, match="is a link or a device"):
        fetch("t.zip")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_bomb_is_refused_before_it_is_large(
    write: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "HARMLESS_BYTES", 1 << 20)
    archive = write({"a.csv": b"x,y\n" + b"0" * (8 << 20)})  # type: ignore[operator]
    with pytest.raises(SourceError, match="as decompression bombs do") as caught:
        fetch(str(archive))
    assert caught.value.exit_code == 4
    assert not list(downloads().rglob("a.csv"))


def test_a_zip_that_lies_about_its_sizes() -> None:
    content = bytearray(write_zip({"a.csv": b"x,y\n" + b"1,a\n" * 5000}).read_bytes())
    where = content.rindex(b"PK\x01\x02")
    content[where + 24 : where + 28] = (10).to_bytes(4, "little")  # the size that it claims
    Path("t.zip").write_bytes(content)
    with pytest.raises(SourceError, match="damaged or truncated"):
        fetch("t.zip")


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    write_zip({f"{i}.csv": ROWS for i in range(4)})
    with pytest.raises(SourceError, match="more than 3 members"):
        fetch("t.zip")


def test_names_twice_and_empty_archives() -> None:
    write_tar({"a.csv": ROWS, "A.csv": ROWS})
    with pytest.raises(SourceError, match=r"it has 'A\.csv' twice"):
        fetch("t.tar.gz")
    write_zip({})
    with pytest.raises(SourceError, match="holds no file"):
        fetch("t.zip")


@pytest.mark.parametrize("name", ["t.zip", "t.tar", "t.tar.gz", "t.tar.bz2", "t.tar.xz"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9])
def test_a_cut_archive_is_refused(name: str, part: float) -> None:
    write = write_zip if name == "t.zip" else write_tar
    content = write({f"{i}.csv": ROWS * 100 for i in range(3)}, name).read_bytes()
    end = content.rstrip(b"\0") if name == "t.tar" else content
    Path(name).write_bytes(content[: int(len(end) * part)])
    with pytest.raises(SourceError, match="damaged or truncated") as caught:
        fetch(name)
    assert caught.value.exit_code == 4


def test_a_tar_cut_between_its_members() -> None:
    content = write_tar({"a.csv": ROWS, "b.csv": ROWS}, "t.tar").read_bytes()
    Path("t.tar").write_bytes(content[:1024])
    with pytest.raises(SourceError, match="its end is missing"):
        fetch("t.tar")


def test_an_encrypted_zip() -> None:
    content = bytearray(write_zip({"a.csv": ROWS}).read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    Path("t.zip").write_bytes(content)
    with pytest.raises(SourceError, match="encrypted"):
        fetch("t.zip")


def test_only_a_file_is_an_archive() -> None:
    Path("t.zip").mkdir()
    assert split_archive(Path("t.zip/a.csv")) is None
