"""Files that are read together and differ in their columns: refused, or reported."""

from collections.abc import Sequence
from pathlib import Path

from layerline.errors import DataError
from layerline.text import listing


def require_equal_columns(files: Sequence[tuple[Path, list[str]]]) -> None:
    """Refuse files whose columns differ from those of the first.

    Raises:
        DataError: which file, and in what.
    """
    for other, others in files[1:]:
        first, names = files[0]
        absent = [name for name in names if name not in others]
        added = [name for name in others if name not in names]
        if absent or added:
            differences = [f"lacks {listing(absent, 5)}"] if absent else []
            differences += [f"adds {listing(added, 5)}"] if added else []
            raise DataError(
                f"{other}: its columns differ from {first}: it {' and '.join(differences)}; "
                "files that are read together need the same columns; name one of them, fix the "
                "source, or set fetch.options.union: true, and what a file lacks is missing there"
            )


def absent_columns(files: Sequence[tuple[Path, list[str]]], names: Sequence[str]) -> list[str]:
    """A note for each file that lacks columns of others."""
    absent = {path: [name for name in names if name not in found] for path, found in files}
    return [
        f"{path}: lacks {listing([repr(name) for name in lacking], 5)}: missing in its rows"
        for path, lacking in absent.items()
        if lacking
    ]
