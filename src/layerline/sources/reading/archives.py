"""zip and tar archives -> a folder of their files, each copied by name and within limits.

Nothing is extracted in bulk: a member must be a plain file below the archive's own folder, and its
bytes are counted while they are written. What was unpacked is kept in
.layerline/downloads/unpacked/<sha256 of the archive>, and its hashes are checked before it is used
again. A path may continue inside an archive: `shop.zip/rows/*.csv`.
"""

import contextlib
import hashlib
import json
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from layerline.artifacts import sha256_of, write_json, write_text
from layerline.errors import LayerlineError, SourceError
from layerline.sources.reading.remote import ABOUT, downloads, origin_of
from layerline.text import first_line

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_MEMBERS = 1_000_000
MAX_BYTES = 64 << 30
# Tables of text compress up to 30-fold, bombs a thousandfold; small ones do no harm.
MAX_RATIO, HARMLESS_BYTES = 200, 64 << 20
HERE = PurePosixPath(".")
_BLOCK = 1 << 20
_TRASH = ("__MACOSX",)
_ORIGIN = "origin.txt"


class _Member(NamedTuple):
    name: str
    is_folder: bool
    is_file: bool  # neither a link nor a device
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive."""
    return path.name.lower().endswith(ARCHIVES)


def split_archive(path: Path) -> tuple[Path, PurePosixPath] | None:
    """The archive that a path names or goes through, and the path inside it."""
    for place in (path, *path.parents):
        if is_archive(place) and place.is_file():
            return place, PurePosixPath(path.relative_to(place).as_posix())
    return None


def unpack(archive: Path, inside: PurePosixPath = HERE) -> Path:
    """The place of a path inside the archive, or the folder with all its files.

    A single folder that holds everything is entered.

    Raises:
        SourceError: damaged, encrypted, a member that leads elsewhere or is not a plain file, a
            name twice, or more or larger files than the limits allow.
    """
    from filelock import FileLock  # here: predictions read files too, and need no lock

    folder = downloads() / "unpacked" / sha256_of(archive)[:16]
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "files"
    with FileLock(folder / ".lock"):
        if not _is_whole(folder):
            shutil.rmtree(files, ignore_errors=True)
            fresh = folder / "part"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                hashes = _copy_members(archive, fresh)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
            os.replace(fresh, files)
            write_json(folder / ABOUT, {"files": hashes})
        write_text(folder / _ORIGIN, origin_of(archive) or str(archive))
    return _enter(files) if inside == HERE else files / inside


def archive_origin(file: Path) -> str | None:
    """`shop.zip/rows.csv` for a file that was unpacked."""
    place = downloads() / "unpacked"
    if not file.is_relative_to(place):
        return None
    folder, _, *inside = file.relative_to(place).parts
    origin = (place / folder / _ORIGIN).read_text(encoding="utf-8")
    return "/".join((origin, *inside))


def _enter(folder: Path) -> Path:
    found = list(folder.iterdir())
    if len(found) == 1 and found[0].is_dir() and "=" not in found[0].name:
        return _enter(found[0])
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return False
    files = folder / "files"
    found = {path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()}
    return found == set(about) and all(sha256_of(files / n) == h for n, h in about.items())


def _copy_members(archive: Path, folder: Path) -> dict[str, str]:
    allowed = min(MAX_BYTES, max(HARMLESS_BYTES, archive.stat().st_size * MAX_RATIO))
    hashes: dict[str, str] = {}
    seen: set[str] = set()
    with _reporting_damage(archive), _members(archive) as members:
        for count, member in enumerate(members, 1):
            if count > MAX_MEMBERS:
                raise _refused(archive, f"it has more than {MAX_MEMBERS:,} members")
            name = _safe_name(archive, member)
            if member.is_folder or name.parts[0] in _TRASH or name.name[0] == ".":
                continue
            if not member.is_file:
                raise _refused(archive, f"{member.name!r} is a link or a device, not a plain file")
            if name.as_posix().casefold() in seen:
                raise _refused(archive, f"it has {member.name!r} twice")
            seen.add(name.as_posix().casefold())
            size, digest = _copy(archive, member, folder / name, allowed)
            allowed -= size
            hashes[name.as_posix()] = digest
    if not hashes:
        raise _refused(archive, "it holds no file")
    return hashes


def _safe_name(archive: Path, member: _Member) -> PurePosixPath:
    """The path below the folder; no `..`, root, drive, or what other systems take for one."""
    name = PurePosixPath(member.name)
    odd = "\\" in member.name or "\0" in member.name or ":" in (name.parts or ("",))[0]
    if odd or name.is_absolute() or ".." in name.parts or not (name.parts or member.is_folder):
        raise _refused(archive, f"{member.name!r} leads out of the archive's own folder")
    return name


def _copy(archive: Path, member: _Member, place: Path, allowed: int) -> tuple[int, str]:
    """Write one member; return its size and sha256."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as packed, place.open("xb") as unpacked:
            size, digest = 0, hashlib.sha256()
            while block := packed.read(_BLOCK):
                size += len(block)
                if size > allowed:
                    raise _refused(
                        archive,
                        f"it unpacks to more than {MAX_RATIO} times its size, or to more "
                        f"than {MAX_BYTES >> 30} GB, as decompression bombs do",
                    )
                digest.update(block)
                unpacked.write(block)
    except (FileExistsError, NotADirectoryError):
        raise _refused(archive, f"{member.name!r} is a file and a folder at once") from None
    return size, digest.hexdigest()


def _refused(archive: Path, reason: str) -> SourceError:
    return SourceError(
        f"{archive}: is refused: {reason}; if you trust it, unpack it yourself and name the "
        "folder instead"
    )


@contextlib.contextmanager
def _reporting_damage(archive: Path) -> Iterator[None]:
    try:
        yield
    except LayerlineError:
        raise
    except RuntimeError as error:  # zipfile raises it for a missing password
        raise _refused(archive, first_line(error)) from None
    except (
        *(zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError),
        *(OSError, ValueError, NotImplementedError, LookupError),
    ) as error:
        raise SourceError(
            f"{archive}: is damaged or truncated ({first_line(error)[:200]}); get it again from "
            "its origin"
        ) from None


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as packed:
            yield (_of_zip(packed, entry) for entry in packed.infolist())
        return
    with tarfile.open(archive, "r:*") as packed_tar:
        yield (_of_tar(packed_tar, entry) for entry in packed_tar)
        file = packed_tar.fileobj
        assert file is not None  # it is open
        file.seek(packed_tar.offset)
        if not file.read(tarfile.BLOCKSIZE):  # tarfile takes a cut here for the end
            raise tarfile.ReadError("its end is missing")
        while file.read(_BLOCK):  # a compressed stream checks itself at its very end
            pass


def _of_zip(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Member:
    mode = entry.external_attr >> 16  # 0 where the archive was not made by a Unix
    plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
    # orig_filename: zipfile cuts the name at a NUL.
    name = entry.orig_filename
    return _Member(name, entry.is_dir(), plain, lambda: packed.open(entry))


def _of_tar(packed: tarfile.TarFile, entry: tarfile.TarInfo) -> _Member:
    def read() -> IO[bytes]:
        file = packed.extractfile(entry)
        assert file is not None  # it is a plain file
        return file

    return _Member(entry.name, entry.isdir(), entry.isreg() and not entry.issparse(), read)
