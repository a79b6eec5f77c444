"""Values of a categorical column -> positions among the levels of the train rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from layerline.columns.spec import ColumnSpec
from layerline.scaling.preprocessing.categories import MISSING

UNKNOWN = -2  # not a level as it stands; -1 is one that the train rows did not have


class CategoryCodes:
    """Values of one categorical column -> positions among the levels of the train rows."""

    def __init__(
        self, spec: ColumnSpec, trained: Sequence[Any], any_value: bool, missing: Sequence[str]
    ) -> None:
        self.name = spec.name
        trained_at = {level: position for position, level in enumerate(trained)}
        index: dict[Any, int] = dict.fromkeys((spec.levels or ()), -1)
        index.update((level, at) for level, at in trained_at.items() if level is not MISSING)
        index.pop(None, None)
        if spec.nullable:
            index[None] = trained_at.get(MISSING, -1)
        self._gap = index.get(None, UNKNOWN)
        self._is_open = any_value or "levels" in spec.lenient
        self._missing = frozenset(missing)
        self._index = index
        types: Mapping[str, set[type]] = {"bool": {bool}, "int64": {int, float}}
        self._types = frozenset({*types.get(spec.dtype, {str}), type(None)})

    def of_rows(self, rows: Sequence[Any]) -> list[int]:
        """(B,) codes, UNKNOWN for what is not a level as it stands; TypeError for another type."""
        values = [row[self.name] for row in rows]
        # By type first: True and 1 are equal, and find the same entry of a dict.
        if not self._types.issuperset(map(type, values)):
            raise TypeError(self.name)
        get = self._index.get
        codes = [get(value, UNKNOWN) for value in values]
        if self._is_open and UNKNOWN in codes:
            new = enumerate(zip(codes, values, strict=True))
            for position, (code, value) in new:
                if code == UNKNOWN and self._is_new_level(value):
                    codes[position] = -1
        return codes

    def _is_new_level(self, value: Any) -> bool:
        """Whether it surely is another level: plain text, no gap, none with blanks around it."""
        return (
            isinstance(value, str) and value.strip() == value != "" and value not in self._missing
        )

    def of_column(self, column: pd.Series) -> list[int]:
        """(B,) codes of a column that was cast and judged; -1 for what is not a level."""
        plain = column.astype(object)
        values = plain.where(column.notna(), None).tolist()
        get = self._index.get
        return [self._gap if value is None else get(value, -1) for value in values]
