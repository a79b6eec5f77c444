"""The table inside a compressed or an Excel file, copied for the time of a block."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import SourceError
from layerline.sources.reading.archive_members import members_of
from layerline.sources.reading.archives import copy_member, reporting_damage
from layerline.sources.reading.compressed import allowed_bytes, is_compressed, plain_name
from layerline.sources.reading.display_names import shown_as
from layerline.sources.reading.spreadsheet import EXCEL


def inner_name(path: Path) -> Path:
    """The name whose ending says how the table inside is written."""
    return path.with_suffix(".csv") if path.suffix.lower() in EXCEL else plain_name(path)


@contextlib.contextmanager
def plain_copy(path: Path) -> Iterator[Path]:
    """The file itself, or a copy of the one inside it that lasts as long as the block.

    Raises:
        SourceError: it is damaged, unpacks to more than a bomb should, or has several sheets.
    """
    if not is_compressed(path) and path.suffix.lower() not in EXCEL:
        yield path
        return
    with temporary_folder() as folder:
        copy = folder / inner_name(path).name
        with reporting_damage(path), members_of(path) as members:
            found = list(members)
            if len(found) != 1:
                names = ", ".join(member.name.removesuffix(".csv") for member in found)
                raise SourceError(f"{path}: has the sheets {names}; keep one, or save it as CSV")
            copy_member(path, found[0], copy, allowed_bytes(path))
        with shown_as({str(copy): str(path)}):
            yield copy
