"""What data/validated holds: the rows, the images if there are any, and its manifest."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerline.artifacts import Workspace, read_manifest
from layerline.columns.spec import ColumnSpec
from layerline.scaling.preprocessing.preprocessor import Images
from layerline.scaling.splitting import hash_images, hash_rows
from layerline.scaling.splitting.repeats import separate_observations
from layerline.scaling.splitting.row_hash import Hashes
from layerline.scaling.stored_table import Batch, StoredTable
from layerline.tables.storage import read_images, table_path
from layerline.tables.threads import in_order

IMAGE_BATCH = 4096


@dataclasses.dataclass(frozen=True)
class ValidatedData:
    """data/validated: its rows, its images if it has any, and its manifest.

    Attributes:
        keys: columns that only decide the split: not learnt from, whatever the schema says.
    """

    table: StoredTable
    images: Images | None
    about: Mapping[str, Any]
    keys: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        name: str = self.about["target"]
        return name

    @property
    def columns(self) -> list[ColumnSpec]:
        """Those of the schema, without the keys of the split."""
        columns = [ColumnSpec.from_dict(column) for column in self.about["columns"]]
        return [column for column in columns if column.name not in self.keys]

    @property
    def classes(self) -> tuple[Any, ...] | None:
        return None if self.about["classes"] is None else tuple(self.about["classes"])

    def hash_rows(self, names: Sequence[str] = ()) -> Hashes:
        """(B,) hashes of the used columns, those of the split included, or of the pixels.

        With `names` of these columns instead.
        """
        if self.images is not None:
            return hash_images(self.images)
        columns = [ColumnSpec.from_dict(column) for column in self.about["columns"]]
        features = [*names] or [c.name for c in columns if c.use and c.name != self.target]
        hashes = np.empty(len(self.table), dtype=np.uint64)

        def put(batch: Batch) -> None:
            start, rows = batch
            hashes[start : start + len(rows)] = hash_rows(rows[features])

        for _ in in_order(put, self.table.batches(features)):
            pass
        return hashes

    def identify(self, contents: Hashes) -> Hashes:
        """(B,) the ids of rows with these hashes: data/scaled and versions know rows by them."""
        return separate_observations(contents, lambda: self.table[[self.target]][self.target])

    def names_for(self, specs: Sequence[ColumnSpec]) -> list[str]:
        """Of the columns that a model reads, and the target, those that the table has."""
        wanted = dict.fromkeys([*(spec.name for spec in specs), self.target])
        return [name for name in wanted if name in self.table.names]

    def batches(self, input_columns: Sequence[str]) -> Iterator[Batch]:
        """All rows in order, some at a time: these columns and the target; of images the target."""
        if self.images is None:
            yield from self.table.batches([*input_columns, self.target])
            return
        targets = self.table[[self.target]]
        for part in slices(len(targets), IMAGE_BATCH):
            yield Batch(part.start, targets[part])


def read_validated(workspace: Workspace, keys: tuple[str, ...] = ()) -> ValidatedData:
    """Open data/validated.

    Raises:
        SourceError: it is missing or damaged.
    """
    about = read_manifest(workspace.validated)
    images = read_images(workspace.validated) if about["kind"] == "images" else None
    return ValidatedData(StoredTable(table_path(workspace.validated)), images, about, keys)


def slices(n_rows: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` rows."""
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))
