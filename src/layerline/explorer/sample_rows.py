"""A sample of rows in the user's own terms, and what the page's controls need of each column."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.columns.spec import ColumnSpec
from layerline.model.bundle import Rows
from layerline.model.predictor import Model
from layerline.scaling.preprocessing.numbers import to_numbers
from layerline.validation.profile import histogram

MOST_ROWS = 300
_MOST_PIXELS, _MOST_CELLS = 400_000, 60_000  # of all rows together: the page stays small


@dataclasses.dataclass(frozen=True)
class Sample:
    """Some raw rows, and their true values where they are known.

    `actual` is (N,) class index, or the target in the user's unit.
    """

    rows: Rows
    actual: NDArray[Any] | None = None
    origin: str = "test rows"

    def thinned(self) -> "Sample":
        """As many rows as the page has room for, evenly from the whole."""
        n_rows = len(self.rows)
        room = _MOST_CELLS if isinstance(self.rows, pd.DataFrame) else _MOST_PIXELS
        most = max(10, min(MOST_ROWS, room // max(int(np.prod(self.rows.shape[1:])), 1)))
        if n_rows <= most:
            return self
        places = np.linspace(0, n_rows - 1, most).astype(np.intp)
        whole = self.rows
        rows: Rows = whole.iloc[places] if isinstance(whole, pd.DataFrame) else whole[places]
        actual = None if self.actual is None else self.actual[places]
        return dataclasses.replace(self, rows=rows, actual=actual)


def columns_of(model: Model, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each column that the model reads: its kind, its range or choices, and the rows' values.

    A number is a decimal, a date the days since 1970, a category its level; a gap is null.
    """
    fitted, specs = model.preprocessor, {spec.name: spec for spec in model.about.columns}
    numbers = fitted.numbers.names if fitted.numbers else ()
    found = [_number(specs[name], frame) for name in numbers]
    found += [_number(specs[item.name], frame) for item in fitted.dates]
    for item in fitted.categories:
        levels = [level for level in item.levels if level is not None]
        known = [*levels, *(x for x in specs[item.name].levels or () if x not in levels)]
        values = [None if pd.isna(x) else x for x in frame[item.name].astype(object).tolist()]
        found.append(
            {"name": item.name, "kind": "category", "levels": known, "values": values}
            | {"nullable": specs[item.name].nullable or None in item.levels}
        )
    return found


def _number(spec: ColumnSpec, frame: pd.DataFrame) -> dict[str, Any]:
    values = to_numbers(frame, [spec.name])[:, 0]
    present = values[np.isfinite(values)]
    ends = (float(present.min()), float(present.max())) if len(present) else (0.0, 1.0)
    about: dict[str, Any] = {
        "name": spec.name,
        "kind": "date" if spec.kind == "date" else "number",
        "is_whole": spec.dtype in ("int64", "bool"),
        "minimum": ends[0],
        "maximum": ends[1] if ends[1] > ends[0] else ends[0] + 1.0,
        "middle": float(np.median(present)) if len(present) else 0.0,
        "nullable": spec.nullable,
        "values": [float(x) if np.isfinite(x) else None for x in values],
    }
    return about | ({"counts": histogram(present)["counts"]} if len(present) else {"counts": []})
