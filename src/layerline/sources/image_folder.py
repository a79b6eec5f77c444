"""Image files in a folder or an archive: one folder per class, or a CSV file of paths and labels.

pictures/cat/1.png, pictures/dog/2.png            the class is the folder's name
pictures/train/cat/1.png, pictures/test/dog/2.png the official split too (train, valid, test)
pictures/1.png + labels.csv: file,label           with fetch.options.labels
"""

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from layerline.errors import DataError, ParamsError, Problem, SourceError
from layerline.sources.source import SourceInfo

SPLIT = "split"
_SPLITS = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}


def fetch(
    folder: Path,
    target: str,
    *,
    path: str,
    labels: str | None = None,
    file_column: str = "file",
    mode: Literal["L", "RGB"] = "RGB",
    size: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=2, max_length=2)]
    | None = None,
) -> SourceInfo:
    """Write all images, in the order of their names, and their labels.

    Args:
        folder: where `images.npy` and `labels.parquet` go.
        target: the name of the column of labels, in `labels` too.
        path: the folder, or a zip or tar archive of one, or a URL of such an archive.
        labels: a CSV file with `file_column` and the target; further columns are kept. A column
            `split` of train, valid and test is the official split.
        file_column: the column of paths, relative to the folder.
        mode: L (grey) or RGB, for all images.
        size: [height, width] that each image is resized to; null: all must have one size.

    Raises:
        SourceError: the folder is missing, or has no image in it.
        DataError: images that cannot be read or differ in size, a class without images, a file
            or a label missing.
    """
    # Here, not above: params are checked against this signature where nothing is read.
    from layerline.sources.reading.display_names import renamed, shown_as
    from layerline.sources.reading.paths import display_name

    root = _root(path)
    names = {str(root): display_name(root) or str(root)}
    with shown_as(names):
        found = (
            images_by_class(root, target)
            if labels is None
            else _by_table(root, target, labels, file_column)
        )
        notes = [*found.notes, *_write(folder, root, found, mode, size)]
    origin: dict[str, Any] = {"path": path, "labels": labels, **_facts(root, found.files)}
    split = SPLIT if SPLIT in found.labels and target != SPLIT else None
    return SourceInfo("images", split, origin, tuple(renamed(note, names) for note in notes))


class FoundImages(NamedTuple):
    """The images, and for each its row of labels.parquet, by column."""

    files: list[Path]
    labels: dict[str, Any]
    notes: list[str]


def _write(
    folder: Path, root: Path, found: FoundImages, mode: Literal["L", "RGB"], size: list[int] | None
) -> list[str]:
    """Write `images.npy` and `labels.parquet`; return what was done to the images."""
    import pandas as pd

    from layerline.sources.reading.image_files import (
        ImageReport,
        describe_picture,
        fill,
        read_pictures,
        require_readable,
    )
    from layerline.tables.storage import IMAGES, LABELS, write_table

    report = ImageReport()
    wanted = (size[0], size[1]) if size else describe_picture(found.files[0])[:2]
    shape = [len(found.files), *wanted, *([3] if mode == "RGB" else [])]
    pictures = read_pictures(found.files, mode, wanted, resize=size is not None, report=report)
    fill(folder / IMAGES, pictures, shape)
    require_readable(report, str(root))
    write_table(folder / LABELS, pd.DataFrame(found.labels))
    return report.notes


def _root(path: str) -> Path:
    from layerline.sources.reading.paths import local_path, unpacked

    root = unpacked(local_path(path))
    if not root.is_dir():
        raise SourceError(f"{path}: no such folder or archive; set fetch.options.path")
    return root


def images_by_class(root: Path, target: str) -> FoundImages:
    """The class (and the split) of each file, from the names of the folders.

    Raises:
        DataError, SourceError: there is no image, or a class without one.
    """
    from layerline.sources.reading.image_files import pictures_below

    tops = _folders(root)
    splits = {top: _SPLITS[top.name.lower()] for top in tops if top.name.lower() in _SPLITS}
    if splits and len(splits) < len(tops):
        others = ", ".join(top.name for top in tops if top not in splits)
        raise DataError(f"{root}: has folders of splits and others beside them: {others}")
    if splits and target == SPLIT:
        message = f"{SPLIT!r} is the column of the official split; rename the target"
        raise ParamsError([Problem("fetch.target", message)])
    files: list[Path] = []
    labels: dict[str, list[str]] = {name: [] for name in ([target, SPLIT] if splits else [target])}
    n_left, empty = 0, []
    for top in tops:
        for place in _folders(top) if splits else [top]:
            found, left = pictures_below(place)
            n_left += left
            files += found
            empty += [] if found else [place]
            labels[target] += [place.name] * len(found)
            if splits:
                labels[SPLIT] += [splits[top]] * len(found)
    if not files:
        raise SourceError(f"{root}: no folder in it holds an image; one folder per class is needed")
    _require_full([place for place in empty if place.name not in labels[target]])
    notes = [f"{n_left:,} files in {root} are not images by their names; they are left out"]
    return FoundImages(files, labels, notes if n_left else [])


def _require_full(empty: list[Path]) -> None:
    """Refuse a class without an image: it would vanish from the task."""
    if empty:
        more = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise DataError(
            f"{empty[0]}{more}: the folder of this class holds no image (images end in "
            f"{', '.join(_endings())}); add images, or remove the folder"
        )


def _endings() -> tuple[str, ...]:
    from layerline.sources.reading.image_files import PICTURES

    return PICTURES


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir() and path.name[0] not in "._")


def _by_table(root: Path, target: str, labels: str, file_column: str) -> FoundImages:
    """The files that a table names, and its other columns."""
    from layerline.sources.reading.reader import find_files, read_files
    from layerline.tables.storage import require_target, to_frame
    from layerline.text import listing, plural

    read = read_files(find_files(labels), text=[file_column])
    frame = to_frame(read.table)
    require_target(list(frame.columns), target, labels)
    if file_column not in frame:
        message = f"{labels} has no column {file_column!r}; its columns: {listing(list(frame))}"
        raise ParamsError([Problem("fetch.options.file_column", message)])
    names = frame.pop(file_column)
    if names.isna().any():
        n_empty = plural(int(names.isna().sum()), "row")
        raise DataError(f"{labels}: column {file_column!r} is empty in {n_empty}")
    outside = [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]
    if outside:
        raise DataError(f"{labels}: {outside[0]!r} leads out of {root}; use paths below it")
    files = [root / name for name in names]
    absent = [str(file) for file in files if not file.is_file()]
    if absent:
        raise DataError(f"{labels}: {len(absent)} files are missing: {listing(absent, 5)}")
    if SPLIT in frame and target != SPLIT:
        _require_splits(frame[SPLIT].unique().tolist(), labels)
    return FoundImages(files, {str(name): frame[name] for name in frame}, list(read.notes))


def _require_splits(found: list[Any], labels: str) -> None:
    odd = [value for value in found if value not in ("train", "valid", "test")]
    if odd:
        raise DataError(
            f"{labels}: column {SPLIT!r} may hold train, valid and test, not {odd[0]!r}"
        )


def _facts(root: Path, files: list[Path]) -> dict[str, Any]:
    """One digest of all files: a line for each would be the longest thing in the manifest."""
    import hashlib

    from layerline.artifacts import sha256_of

    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{sha256_of(file)}  {file.relative_to(root).as_posix()}\n".encode())
    return {
        "n_files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "sha256_of_all": digest.hexdigest(),
    }
