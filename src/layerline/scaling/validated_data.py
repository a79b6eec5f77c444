"""What data/validated holds: the rows, the images if there are any, and its manifest."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.artifacts import Workspace, read_manifest
from layerline.columns.spec import ColumnSpec
from layerline.scaling.preprocessing.preprocessor import Images
from layerline.scaling.splitting import hash_images, hash_rows
from layerline.scaling.splitting.repeats import separate_observations
from layerline.scaling.splitting.row_hash import Hashes
from layerline.scaling.stored_table import StoredTable
from layerline.tables.row_groups import map_groups
from layerline.tables.storage import read_images, table_path
from layerline.tables.targets import target_names
from layerline.tables.threads import in_order

A = TypeVar("A")
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
    def targets(self) -> tuple[str, ...]:
        """The columns that are predicted, one or several."""
        return target_names(self.about)

    def read_target(self) -> pd.Series:
        """(B,) the target; of several their values in a row, which tell rows apart."""
        rows = self.table[list(self.targets)]
        if len(self.targets) == 1:
            return rows[self.target]
        return pd.Series(hash_rows(rows))

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
        features = [*names] or [c.name for c in columns if c.use and c.name not in self.targets]
        hashes = np.empty(len(self.table), dtype=np.uint64)
        for start, found in self.map(hash_rows, features):
            hashes[start : start + len(found)] = found
        return hashes

    def identify(self, contents: Hashes) -> Hashes:
        """(B,) the ids of rows with these hashes: data/scaled and versions know rows by them."""
        return separate_observations(contents, self.read_target)

    def names_for(self, specs: Sequence[ColumnSpec]) -> list[str]:
        """Of the columns that a model reads, and the target, those that the table has."""
        wanted = dict.fromkeys([*(spec.name for spec in specs), *self.targets])
        return [name for name in wanted if name in self.table.names]

    def map(
        self, function: Callable[..., A], names: list[str], *beside: NDArray[Any]
    ) -> Iterator[tuple[int, A]]:
        """(start, `function(rows, *parts)`) of some rows of these columns after others, in order.

        `beside` are arrays (B, ...), of which each call gets its rows' part.
        """
        if self.images is None:
            yield from map_groups(function, self.table.path, names, beside)
            return
        rows = self.table[names]

        def work(part: slice) -> tuple[int, A]:
            return part.start, function(rows[part], *(array[part] for array in beside))

        yield from in_order(work, slices(len(rows), IMAGE_BATCH))


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
