"""The files that a path, a glob pattern, a folder, an archive or a list of these names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from layerline.artifacts import sha256_of
from layerline.errors import ParamsError, Problem, SourceError
from layerline.sources.reading.archives import archive_origin, is_archive, split_archive, unpack
from layerline.sources.reading.compressed import OPENERS, is_compressed
from layerline.sources.reading.display_names import shown_as
from layerline.sources.reading.remote import download, origin_of, require_sha256
from layerline.sources.reading.remote_systems import expand, is_remote
from layerline.sources.reading.spreadsheet import EXCEL
from layerline.tables.cluster import Each
from layerline.text import closest, listing

DELIMITED = (".csv", ".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
JSON_LINES = (".jsonl", ".ndjson", ".json")
KINDS: Mapping[str, tuple[str, ...]] = {
    "CSV": DELIMITED,
    "Parquet": PARQUET,
    "Arrow": ARROW,
    "JSON lines": JSON_LINES,
}
SUFFIXES = tuple(suffix for suffixes in KINDS.values() for suffix in suffixes)
ENDINGS = (*SUFFIXES, *(f"{suffix}{packed}" for suffix in SUFFIXES for packed in OPENERS))
_WHERE = "fetch.options.path"
_HIVE_GAP = "__HIVE_DEFAULT_PARTITION__"  # how Hive, Spark and Arrow write a missing value


def kind_of(path: Path) -> str:
    """CSV, Parquet, Arrow or JSON lines, by the file's name."""
    return next(kind for kind, suffixes in KINDS.items() if path.suffix.lower() in suffixes)


class _Place(NamedTuple):
    """A file that is asked for: its path, or its URL and the sha256 that a copy must have."""

    name: str
    sha256: str | None = None

    @property
    def is_here(self) -> bool:
        return not is_remote(self.name) and not is_compressed(Path(self.name))


def find_files(
    path: str | Sequence[str], sha256: str | None = None, each: Each | None = None
) -> list[Path]:
    """The files that a path, a glob pattern, a folder or a list of these names, sorted within each.

    Remote ones are copied to this machine; `sha256` is what the one file must have. `each` copies
    and decompresses elsewhere.

    Raises:
        SourceError: a file is missing, or has another sha256.
        ParamsError: a file of an unknown kind.
    """
    given = [path] if isinstance(path, str) else list(path)
    found = _at_hand((place for one in given for place in _expand(one, sha256)), each)
    if not found:
        raise ParamsError([Problem(_WHERE, "is an empty list; name a file")])
    unknown = [str(file) for file in found if file.suffix.lower() not in SUFFIXES]
    if unknown:
        raise _unknown_kind(listing(unknown, 5))
    kinds = sorted({kind_of(file) for file in found})
    if len(kinds) > 1:
        message = f"names both {' and '.join(kinds)} files, whose types may differ; give one kind"
        raise ParamsError([Problem(_WHERE, message)])
    if sha256 is not None:
        archive = split_archive(local_path(given[0], sha256)) if _may_be_archive(given) else None
        _require_one([archive[0]] if archive else found, sha256)
    return found


def _unknown_kind(files: str) -> ParamsError:
    message = (
        f"{files} is of an unknown kind; files end in one of {', '.join((*SUFFIXES, *EXCEL))}, or "
        f"one of these with {', '.join(OPENERS)}; rename it, or save a workbook of Excel as .xlsx"
    )
    return ParamsError([Problem(_WHERE, message)])


def _require_one(found: list[Path], wanted: str) -> None:
    if len(found) > 1:
        message = f"is of one file, but fetch.options.path names {len(found)}"
        raise ParamsError([Problem("fetch.options.sha256", message)])
    require_sha256(str(found[0]), sha256_of(found[0]), wanted)


def local_path(path: str, sha256: str | None = None) -> Path:
    """The place of a local path, or of the copy of a remote file."""
    if is_remote(path):
        return download(path, sha256)
    return Path(path).expanduser()


def unpacked(place: Path) -> Path:
    """The place on disk; what lies in an archive is unpacked first.

    Raises:
        SourceError: the archive is damaged, or goes beyond the limits.
    """
    found = split_archive(place)
    if found is None:
        return place
    url = origin_of(found[0])
    with shown_as({str(found[0]): url} if url else {}):
        return unpack(*found)


def display_name(file: Path) -> str | None:
    """The user's name of a file that was copied or unpacked: its URL, `shop.zip/rows.csv`."""
    return archive_origin(file) or origin_of(file)


def _may_be_archive(given: Sequence[str]) -> bool:
    return len(given) == 1 and (not is_remote(given[0]) or _is_remote_archive(given[0]))


def _is_remote_archive(path: str) -> bool:
    place = urlsplit(path).path
    is_pattern = any(sign in place for sign in "*[")  # of compressed files, one by one
    return is_remote(path) and is_archive(Path(place)) and not is_pattern


def _at_hand(places: Iterable[_Place], each: Each | None) -> list[Path]:
    """The files on this machine, copied and decompressed where that is needed."""
    if each is not None:
        places = list(places)
        if len(places) > 1 and not all(place.is_here for place in places):
            return list(each(_one_at_hand, places))
    return [_one_at_hand(place) for place in places]


def _one_at_hand(place: _Place) -> Path:
    """The file, its copy, or the one inside a compressed file."""
    file = download(*place) if is_remote(place.name) else Path(place.name)
    if not is_compressed(file):
        return file
    (found,) = (path for path in unpacked(file).iterdir() if path.is_file())
    return found


def _expand(path: str, sha256: str | None) -> list[_Place]:
    if is_remote(path) and not _is_remote_archive(path):
        return _expand_remote(path, sha256)
    place = unpacked(local_path(path, sha256))
    if place.is_file():
        return [_Place(str(place))]
    if place.is_dir():
        files = [_Place(str(file)) for file in _files_below(place)]
        if not files:
            raise SourceError(f"{path}: the folder has no file that ends in {', '.join(SUFFIXES)}")
        return files
    pattern = (
        place.relative_to(place.anchor).as_posix() if place.is_absolute() else place.as_posix()
    )
    base = Path(place.anchor) if place.is_absolute() else Path()
    if any(sign in str(place) for sign in "*?["):
        matches = [_Place(str(file)) for file in sorted(base.glob(pattern)) if file.is_file()]
        if not matches:
            raise SourceError(f"{path}: no file matches this pattern (from {Path.cwd()})")
        return matches
    raise SourceError(_nothing_at(path, place))


def _expand_remote(url: str, sha256: str | None) -> list[_Place]:
    urls = expand(url, ENDINGS)
    unknown = [one for one in urls if not urlsplit(one).path.lower().endswith(ENDINGS)]
    if unknown:
        raise _unknown_kind(listing(unknown, 5))
    return [_Place(one, sha256 if len(urls) == 1 else None) for one in urls]


def _files_below(folder: Path) -> list[Path]:
    """The folder's files, then those of its partitions (`year=2024/`), by name."""
    found = sorted(path for path in folder.iterdir() if path.name[0] not in "._")
    files = [path for path in found if path.is_file() and path.name.lower().endswith(ENDINGS)]
    partitions = [path for path in found if path.is_dir() and "=" in path.name]
    return files + [file for partition in partitions for file in _files_below(partition)]


def partition_of(file: Path, folder: Path) -> dict[str, str | None]:
    """The values in the names of the folders between: `year=2024/city=Bonn/` -> two columns."""
    values: dict[str, str | None] = {}
    for part in file.relative_to(folder).parts[:-1]:
        key, _, value = part.partition("=")
        values[unquote(key)] = None if value == _HIVE_GAP else unquote(value)
    return values


def find_partitions(
    path: str | Sequence[str], files: Sequence[Path], sha256: str | None = None
) -> dict[Path, dict[str, str | None]]:
    """The partition values of each file that lies in a folder given by `path`; often none."""
    given = [path] if isinstance(path, str) else list(path)
    local = [one for one in given if not is_remote(one) or _is_remote_archive(one)]
    folders = [unpacked(local_path(one, sha256)) for one in local]
    found = {}
    for folder in (folder for folder in folders if folder.is_dir()):
        for file in files:
            origin = Path(archive_origin(file) or file)
            place = origin if is_compressed(origin) else file
            if place.is_relative_to(folder):
                found[file] = partition_of(place, folder)
    return {file: values for file, values in found.items() if values}


def _nothing_at(path: str, place: Path) -> str:
    siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
    near = closest(place.name, siblings) if siblings else None
    hint = f"did you mean {str(place.with_name(near))!r}? " if near else ""
    where = "" if place.is_absolute() else f" (from {Path.cwd()})"
    return f"{path}: no such file or folder{where}; {hint}set fetch.options.path"
