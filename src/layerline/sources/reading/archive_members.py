"""The members of a zip or tar archive, the sheets of an Excel file, or one compressed file."""

import contextlib
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from layerline.sources.reading.compressed import BLOCK, is_compressed, open_compressed, plain_name
from layerline.sources.reading.spreadsheet import EXCEL, open_sheets, sheet_as_csv

_LONGEST_HEADER = 1 << 20  # bytes of one that extends the next
_NO_LENGTH = re.compile(rb"[0-9]{30}")


class Member(NamedTuple):
    """A file or a folder in an archive."""

    name: str
    is_folder: bool
    is_file: bool  # neither a link nor a device
    open: Callable[[], IO[bytes]]


class _Header(tarfile.TarInfo):
    """A header that refuses what costs tarfile minutes.

    ValueError, because tarfile takes its own errors for a sign to try another compression. Before
    3.11.10 it searches extended headers for numbers in quadratic time (CVE-2024-6232).
    """

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size > _LONGEST_HEADER:
            raise ValueError(f"a header of {self.size:,} bytes")
        file: Any = archive.fileobj
        content = file.read(-(-self.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
        if _NO_LENGTH.search(content):
            raise ValueError("a header with an endless number")
        archive.fileobj = _ReadBefore(file, content)
        try:
            return super()._proc_pax(archive)  # type: ignore[misc]
        finally:
            archive.fileobj = file


class _ReadBefore:
    """A file of which the next bytes were read already."""

    def __init__(self, file: Any, content: bytes) -> None:
        self._file, self._content = file, content

    def read(self, size: int) -> bytes:
        if self._content:
            content, self._content = self._content, b""
            return content
        found: bytes = self._file.read(size)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def members_of(archive: Path) -> Iterator[Iterator[Member]]:
    """Open an archive and iterate over its members."""
    if is_compressed(archive):
        name = plain_name(archive).name
        yield iter([Member(name, False, True, lambda: open_compressed(archive))])
        return
    if archive.suffix.lower() in EXCEL:
        with open_sheets(archive) as sheets:
            yield (
                Member(f"{name}.csv", False, True, partial(sheet_as_csv, sheet))
                for name, sheet in sheets.items()
            )
        return
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as packed:
            yield (_of_zip(packed, entry) for entry in packed.infolist())
        return
    with tarfile.open(archive, "r:*", tarinfo=_Header) as packed_tar:
        yield (_of_tar(packed_tar, entry) for entry in packed_tar)
        file = packed_tar.fileobj
        assert file is not None  # it is open
        file.seek(packed_tar.offset)
        if not file.read(tarfile.BLOCKSIZE):  # tarfile takes a cut here for the end
            raise tarfile.ReadError("its end is missing")
        while file.read(BLOCK):  # a compressed stream checks itself at its very end
            pass


def _of_zip(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    mode = entry.external_attr >> 16  # 0 where the archive was not made by a Unix
    plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
    # orig_filename: zipfile cuts the name at a NUL.
    name = entry.orig_filename
    return Member(name, entry.is_dir(), plain, lambda: packed.open(entry))


def _of_tar(packed: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    def read() -> IO[bytes]:
        file = packed.extractfile(entry)
        assert file is not None  # it is a plain file
        return file

    return Member(entry.name, entry.isdir(), entry.isreg() and not entry.issparse(), read)
