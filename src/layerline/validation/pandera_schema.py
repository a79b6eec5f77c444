"""Columns in pandera's terms: their kinds' checks, for columns that have their types already."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from layerline.columns.kinds import kind_of
from layerline.columns.spec import ColumnSpec

if TYPE_CHECKING:
    import pandera.pandas as pandera


def to_pandera(specs: Sequence[ColumnSpec]) -> "pandera.DataFrameSchema":
    """The schema of a frame that was cast and has just these columns."""
    import pandera.pandas as pandera

    columns = {
        spec.name: pandera.Column(None, _checks(spec), nullable=spec.nullable) for spec in specs
    }
    return pandera.DataFrameSchema(columns, strict=True, coerce=False)


def _checks(spec: ColumnSpec) -> "list[pandera.Check]":
    import pandera.pandas as pandera

    return [
        pandera.Check(lambda column, keeps=keeps: pd.Series(keeps(column), column.index), name=rule)
        for rule, keeps in kind_of(spec).checks(spec).items()
    ]
