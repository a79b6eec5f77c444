"""Predictions as a table, and reports/predictions.parquet with those of the test rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from layerline.artifacts import replace_file
from layerline.errors import SourceError
from layerline.evaluation.predictions import Predictions
from layerline.evaluation.target_predictions import actual_columns, columns_of
from layerline.tables.storage import opened

PROBABILITY, QUANTILE, IN_SET = "probability_", "quantile_", "in_set_"
BOUNDS = ("interval_low", "interval_high")
_NETWORK = b"layerline.network_sha256"


def output_columns(
    classes: Sequence[Any] | None, levels: Sequence[float] = (), *, has_regions: bool = False
) -> dict[str, type]:
    """The columns of predictions besides `prediction`, with the type of each.

    These are `probability_<class>` or `quantile_<level>`; with regions also `in_set_<class>` or
    `interval_low` and `interval_high`.

    >>> list(output_columns(None, (0.1, 0.9), has_regions=True))
    ['quantile_0.1', 'quantile_0.9', 'interval_low', 'interval_high']
    """
    names = [f"{PROBABILITY}{name}" for name in classes or ()]
    found: dict[str, type] = dict.fromkeys([*names, *(f"{QUANTILE}{x!r}" for x in levels)], float)
    if has_regions and classes is not None:
        return found | dict.fromkeys([f"{IN_SET}{name}" for name in classes], bool)
    return found | (dict.fromkeys(BOUNDS, float) if has_regions else {})


def tabulate(predictions: Predictions, classes: Sequence[Any] | None) -> pd.DataFrame:
    """Predictions as a table, with the user's labels: `prediction`, then `output_columns`.

    Args:
        predictions: of B rows.
        classes: the labels, or None for numbers.

    Of several targets `prediction_<target>` each, of labels beside `probability_<target>` each.
    """
    if predictions.targets:
        return pd.DataFrame(columns_of(predictions))
    found = predictions
    others = [x for x in (found.probabilities, found.quantiles, found.regions) if x is not None]
    names = output_columns(classes, found.levels, has_regions=found.regions is not None)
    first: NDArray[Any] = found.predicted
    if classes is not None:
        first = np.asarray(pd.Series(classes)[found.predicted.astype(np.int64)])
    columns = [column for block in others for column in block.T]
    return pd.DataFrame({"prediction": first, **dict(zip(names, columns, strict=True))})


def record(
    path: Path,
    ids: NDArray[np.uint64],
    predictions: Predictions,
    classes: Sequence[Any] | None,
    network_sha256: str,
) -> None:
    """Write predictions with the `id` of their rows, a hash of the content, and `actual`.

    Of several targets the true values are `actual_<target>`.
    """
    table = tabulate(predictions, classes)
    truths: dict[str, NDArray[Any]] = {"actual": predictions.actual}
    if predictions.targets:
        truths = actual_columns(predictions)
    elif classes is not None:
        truths = {"actual": np.asarray(pd.Series(classes)[truths["actual"].astype(np.int64)])}
    for name, values in reversed(truths.items()):
        table.insert(0, name, values)
    table.insert(0, "id", ids)
    rows = pa.Table.from_pandas(table, preserve_index=False)
    rows = rows.replace_schema_metadata({_NETWORK: network_sha256.encode()})
    with replace_file(path) as temporary:
        pq.write_table(rows, temporary)


def read_record(path: Path, network_sha256: str | None = None) -> pd.DataFrame:
    """Read predictions that `record` wrote.

    Args:
        path: the file.
        network_sha256: the network that must have made them; None accepts any.

    Raises:
        SourceError: the file is missing, damaged or of another network.
    """
    with opened(path) as file:
        rows = file.read(use_threads=False)
    recorded = (rows.schema.metadata or {}).get(_NETWORK, b"").decode()
    if network_sha256 not in (None, recorded):
        raise SourceError(
            f"{path}: has the predictions of another network ({recorded[:12]}…, models/network is "
            f"{str(network_sha256)[:12]}…); run `dvc repro`, or `python pipeline/evaluate.py`"
        )
    return rows.to_pandas(use_threads=False)
