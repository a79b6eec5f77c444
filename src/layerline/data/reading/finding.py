"""Which files a path, a glob pattern, a folder or a list of these means."""

from collections.abc import Sequence
from pathlib import Path

from layerline.data.tables import closest, listing
from layerline.errors import ParamsError, Problem, SourceError

DELIMITED = (".csv", ".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")


def is_parquet(path: Path) -> bool:
    """Whether the file's name says Parquet."""
    return path.suffix.lower() in PARQUET


def find_files(path: str | Sequence[str]) -> list[Path]:
    """The files that a path, a glob pattern, a folder or a list of these name, sorted within each.

    Raises:
        SourceError: nothing is there.
        ParamsError: a file of a kind that is not read.
    """
    given = [path] if isinstance(path, str) else list(path)
    found = [file for one in given for file in _expand(one)]
    if not found:
        raise ParamsError([Problem("fetch.options.path", "is an empty list; name a file")])
    unknown = [str(file) for file in found if file.suffix.lower() not in (*DELIMITED, *PARQUET)]
    if unknown:
        known = ", ".join((*DELIMITED, *PARQUET))
        message = f"{listing(unknown, 5)} is of no known kind; files end in one of {known}"
        raise ParamsError([Problem("fetch.options.path", message)])
    if len({is_parquet(file) for file in found}) > 1:
        message = "names both Parquet and CSV files, whose types may differ; give one kind"
        raise ParamsError([Problem("fetch.options.path", message)])
    return found


def _expand(path: str) -> list[Path]:
    if "://" in path:
        message = f"{path!r} is no local path; download it first"
        raise ParamsError([Problem("fetch.options.path", message)])
    place = Path(path).expanduser()
    if place.is_file():
        return [place]
    if place.is_dir():
        kinds = (*DELIMITED, *PARQUET)
        files = [file for file in place.iterdir() if file.suffix.lower() in kinds]
        files = sorted(file for file in files if file.is_file() and file.name[0] not in "._")
        if not files:
            raise SourceError(f"{path}: the folder holds no file that ends in {', '.join(kinds)}")
        return files
    pattern = (
        place.relative_to(place.anchor).as_posix() if place.is_absolute() else place.as_posix()
    )
    base = Path(place.anchor) if place.is_absolute() else Path()
    if any(sign in path for sign in "*?["):
        matches = sorted(file for file in base.glob(pattern) if file.is_file())
        if not matches:
            raise SourceError(f"{path}: no file matches this pattern (from {Path.cwd()})")
        return matches
    raise SourceError(_nothing_at(path, place))


def _nothing_at(path: str, place: Path) -> str:
    siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
    near = closest(place.name, siblings) if siblings else None
    hint = f"did you mean {str(place.with_name(near))!r}? " if near else ""
    where = "" if place.is_absolute() else f" (from {Path.cwd()})"
    return f"{path}: there is no such file or folder{where}; {hint}set fetch.options.path"
