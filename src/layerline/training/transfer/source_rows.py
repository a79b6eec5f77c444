"""Raw rows that the source knew, which both networks predict."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.artifacts import MANIFEST, read_manifest, sha256_of
from layerline.errors import SourceError
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.tables.storage import read_images, read_parquet, read_table, require_target

WHERE = "train.transfer.forgetting"


@dataclasses.dataclass(frozen=True)
class Holdout:
    """Raw rows with their target; of images, `frame` holds the labels."""

    frame: pd.DataFrame
    images: NDArray[np.uint8] | None
    sha256: str  # of the file that holds the rows
    is_test: bool  # the source's own test rows, which it did not learn from

    def transform(self, preprocessor: Preprocessor) -> NDArray[np.float32]:
        """The rows as a model with this preprocessor reads them."""
        if self.images is not None:
            return preprocessor.transform_images(self.images)
        return preprocessor.transform(self.frame)


def read_holdout(path: Path, source: Preprocessor) -> Holdout:
    """Read and check rows for the forgetting check.

    Args:
        path: a folder `data` (its test rows are taken) or `data/validated`, or a Parquet file.
        source: the source's preprocessor, which names the target.

    Raises:
        SourceError: a file is missing or damaged, or of another kind than the source.
        DataError: the target's column is missing.
    """
    if path.is_file():
        found = Holdout(read_parquet(path), None, sha256_of(path), False)
    else:
        found = _read_folder(path)
    if (found.images is None) != (source.image is None):
        kinds = ("a table", "images")
        raise SourceError(
            f"{WHERE}: {path} holds {kinds[found.images is not None]}, the source reads "
            f"{kinds[source.image is not None]}; name rows of the source's kind"
        )
    require_target(list(map(str, found.frame)), source.target, str(path))
    if found.frame.empty:
        raise SourceError(f"{WHERE}: {path} holds no rows")
    return found


def _read_folder(path: Path) -> Holdout:
    validated, scaled = path / "validated", path / "scaled"
    position, is_test = None, (scaled / MANIFEST).is_file()
    if not (validated / MANIFEST).is_file():
        validated, is_test = path, False
    if is_test:
        read_manifest(scaled)
        position = np.load(scaled / "test_row.npy", allow_pickle=False)
    manifest = read_manifest(validated)
    frame = read_table(validated)
    images = read_images(validated) if manifest["kind"] == "images" else None
    if position is not None:
        frame = frame.iloc[position]
        images = None if images is None else images[position]
    digest = next(f["sha256"] for n, f in sorted(manifest["files"].items()) if "quar" not in n)
    return Holdout(frame.reset_index(drop=True), images, digest, is_test)
