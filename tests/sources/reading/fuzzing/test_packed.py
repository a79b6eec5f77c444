"""Archives and images: nothing leaves its folder, and what is accepted is what others read."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from damage import damaged, fuzz, on_disk
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from layerline.errors import LayerlineError
from layerline.sources.reading import archives
from layerline.sources.reading.image_files import ImageReport, describe_picture, read_pictures

MEMBER = st.one_of(
    st.sampled_from(
        ["a.csv", "b/a.csv", "../a.csv", "/a.csv", "a.csv/", ".", "", "b", "A.csv", "C:a"]
    ),
    st.text("ab./\\:", max_size=6),
)


def as_zip(members: list[tuple[str, bytes]]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name or "_"), content)
    return sink.getvalue()


def as_tar(members: list[tuple[str, bytes]], packed: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=f"w:{packed}") as archive:  # type: ignore[call-overload]
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return sink.getvalue()


MEMBERS = st.lists(st.tuples(MEMBER, st.binary(max_size=40)), max_size=3)


def check_archive(content: bytes, name: str, read: Callable[[bytes], list[bytes]]) -> None:
    with on_disk(name, content) as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(path.parent))
        outside = Path(path.parent.parent, "a.csv")
        try:
            archives.unpack(path)
        except LayerlineError:
            assert not list((path.parent / ".layerline").rglob("files"))
            return
        finally:
            assert not outside.exists()
        files = next((path.parent / ".layerline" / "downloads" / "unpacked").iterdir()) / "files"
        found = sorted(file.read_bytes() for file in files.rglob("*") if file.is_file())
    hidden = read(content)
    assert all(found.count(one) <= hidden.count(one) for one in found)


@fuzz(1)
@given(damaged(MEMBERS.map(as_zip)))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip(content: bytes) -> None:
    def read(packed: bytes) -> list[bytes]:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return [archive.read(entry) for entry in archive.infolist() if not entry.is_dir()]

    check_archive(content, "t.zip", read)


@fuzz(1)
@given(
    damaged(st.builds(as_tar, MEMBERS, st.just("gz")))
    | damaged(MEMBERS.map(lambda m: as_tar(m, "")))
)
def test_tar(content: bytes) -> None:
    def read(packed: bytes) -> list[bytes]:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:*") as archive:
            files = [archive.extractfile(entry) for entry in archive if entry.isreg()]
            return [file.read() for file in files if file is not None]

    check_archive(content, "t.tar", read)


def as_picture(shade: int, kind: str) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (3, 2), (shade, 0, 255 - shade)).save(sink, kind)
    return sink.getvalue()


@fuzz(2)
@given(
    damaged(
        st.builds(as_picture, st.integers(0, 255), st.sampled_from(["PNG", "JPEG", "BMP", "GIF"]))
    )
)
def test_pictures(content: bytes) -> None:
    with on_disk("t.png", content) as path:
        report = ImageReport()
        try:
            size = describe_picture(path)[:2]
        except LayerlineError:
            return
        found = list(read_pictures([path], "RGB", size, resize=False, report=report))
        assert len(found) + len(report.problems) == 1
        if found:
            with Image.open(path) as image:
                same = np.asarray(image.convert("RGB"))
            assert image.getexif() or image.mode not in ("RGB", "L") or (found[0] == same).all()
