"""zip and tar archives, compressed files -> a folder of their files, copied within limits.

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
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from layerline.artifacts import sha256_of, write_json, write_text
from layerline.errors import LayerlineError, SourceError
from layerline.sources.reading.archive_members import Member, members_of
from layerline.sources.reading.compressed import (
    BLOCK,
    MAX_BYTES,
    MAX_RATIO,
    allowed_bytes,
    is_compressed,
)
from layerline.sources.reading.remote import ABOUT, downloads, origin_of
from layerline.sources.reading.spreadsheet import EXCEL
from layerline.text import first_line

ARCHIVES = (*EXCEL, ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_MEMBERS = 1_000_000
HERE = PurePosixPath(".")
_TRASH = ("__MACOSX",)
_ORIGIN = "origin.txt"


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive, or of a single compressed file."""
    return path.name.lower().endswith(ARCHIVES) or is_compressed(path)


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
    return origin if is_compressed(Path(origin)) else "/".join((origin, *inside))


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
    allowed = allowed_bytes(archive)
    hashes: dict[str, str] = {}
    seen: set[str] = set()
    with reporting_damage(archive), members_of(archive) as members:
        for count, member in enumerate(members, 1):
            if count > MAX_MEMBERS:
                raise _refused(archive, f"it has more than {MAX_MEMBERS:,} members")
            name = _safe_name(archive, member)
            if member.is_folder or _is_trash(archive, name):
                continue
            if not member.is_file:
                raise _refused(archive, f"{member.name!r} is a link or a device, not a plain file")
            if name.as_posix().casefold() in seen:
                raise _refused(archive, f"it has {member.name!r} twice")
            seen.add(name.as_posix().casefold())
            size, digest = copy_member(archive, member, folder / name, allowed)
            allowed -= size
            hashes[name.as_posix()] = digest
    if not hashes:
        raise _refused(archive, "it holds no file")
    return hashes


def _is_trash(archive: Path, name: PurePosixPath) -> bool:
    """What operating systems add, and hidden files."""
    return name.parts[0] in _TRASH or (name.name[0] == "." and not is_compressed(archive))


def _safe_name(archive: Path, member: Member) -> PurePosixPath:
    """The path below the folder; no `..`, root, drive, or what other systems take for one."""
    name = PurePosixPath(member.name)
    odd = "\\" in member.name or "\0" in member.name or ":" in (name.parts or ("",))[0]
    if odd or name.is_absolute() or ".." in name.parts or not (name.parts or member.is_folder):
        raise _refused(archive, f"{member.name!r} leads out of the archive's own folder")
    return name


def copy_member(archive: Path, member: Member, place: Path, allowed: int) -> tuple[int, str]:
    """Write one member; return its size and sha256.

    Raises:
        SourceError: it is larger than allowed.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as packed, place.open("xb") as unpacked:
            size, digest = 0, hashlib.sha256()
            while block := packed.read(BLOCK):
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
def reporting_damage(archive: Path) -> Iterator[None]:
    """Turn what the readers raise about damaged bytes into one message.

    Raises:
        SourceError: damaged, truncated, or encrypted.
    """
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
