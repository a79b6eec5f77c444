"""reports/history.csv, as the train stage wrote it."""

import csv
from pathlib import Path

from layerline.artifacts.json_files import damaged
from layerline.errors import SourceError


def read_history(path: Path) -> list[dict[str, float]]:
    """One mapping an epoch; what was not measured is left out.

    Raises:
        SourceError: the file is missing or damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [
                {key: float(value) for key, value in row.items() if value != ""}
                for row in csv.DictReader(file, strict=True)
            ]
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); run `dvc repro`") from None
    except (ValueError, TypeError, csv.Error) as error:  # TypeError: too few or too many fields
        raise damaged(path, str(error)) from None
    if not rows or not all("epoch" in row for row in rows):
        raise damaged(path, "it has no epochs")
    return rows
