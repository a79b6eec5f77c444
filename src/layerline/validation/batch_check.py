"""What one batch of rows shows by itself: the rules its rows break, and what is needed later.

It depends on the batch alone, so that batches can be looked at in any order, by anybody.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.cast import Cast
from layerline.validation.duplicates import RowHashes, hash_batch
from layerline.validation.image_rules import blank_images
from layerline.validation.row_rules import cast_columns, parse_checks, row_hits
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.violations import Hit


class BatchFindings(NamedTuple):
    """What was found; positions are those in the batch.

    Attributes:
        codes: each row's class, -1 for none; null where there are no classes.
        gaps: positions of missing values in columns whose type has no room for them.
        n_missing: of each column.
        sample: the rows that were asked for, in their schema's types; their index is positions.
    """

    hits: list[Hit]
    hashes: RowHashes
    codes: NDArray[np.int32] | None
    gaps: Mapping[str, NDArray[np.int64]]
    n_missing: Mapping[str, int]
    sample: pd.DataFrame


class BatchCheck:
    """Looks at batches of a table with this schema, which came from `file`."""

    def __init__(self, schema: TableSchema, file: str) -> None:
        self._schema, self._file = schema, file

    def __call__(
        self,
        frame: pd.DataFrame,
        sampled: NDArray[np.bool_],
        images: NDArray[np.uint8] | None = None,
    ) -> BatchFindings:
        schema = self._schema
        casts = cast_columns(frame, schema)
        hits = row_hits(frame, casts, schema, parse_checks(schema, self._file))
        if images is not None:
            hits += blank_images(images, schema)
        values = {name: cast.values for name, cast in casts.items()}
        rows = np.flatnonzero(sampled)
        parts = {name: column.iloc[rows] for name, column in values.items()}
        sample = pd.DataFrame(parts, copy=False)
        sample.index = pd.Index(rows)
        return BatchFindings(
            hits,
            hash_batch(values, schema, images),
            _codes(casts, schema),
            _gaps(casts, schema),
            {name: int(column.isna().sum()) for name, column in values.items()},
            sample,
        )


def _codes(casts: Mapping[str, Cast], schema: TableSchema) -> NDArray[np.int32] | None:
    target = casts.get(schema.target)
    if target is None or not schema.classes:
        return None
    codes = pd.Index(schema.classes).get_indexer(pd.Index(target.values))
    return codes.astype(np.int32)


def _gaps(casts: Mapping[str, Cast], schema: TableSchema) -> dict[str, NDArray[np.int64]]:
    found = {}
    for spec in schema.columns:
        if spec.name in casts and spec.nullable and spec.dtype in ("int64", "bool"):
            gaps = np.flatnonzero(casts[spec.name].values.isna().to_numpy())
            if len(gaps):
                found[spec.name] = gaps
    return found
