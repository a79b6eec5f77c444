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

QUANTILE = "quantile_"
_NETWORK = b"layerline.network_sha256"


def output_columns(classes: Sequence[Any] | None, levels: Sequence[float] = ()) -> list[str]:
    """The columns of predictions: `prediction`, and `probability_<class>` or `quantile_<level>`.

    >>> output_columns(None, (0.1, 0.5, 0.9))
    ['prediction', 'quantile_0.1', 'quantile_0.5', 'quantile_0.9']
    """
    probabilities = [f"probability_{name}" for name in classes or ()]
    return ["prediction", *probabilities, *(f"{QUANTILE}{level!r}" for level in levels)]


def tabulate(
    predicted: NDArray[Any],
    probabilities: NDArray[np.float64] | None,
    classes: Sequence[Any] | None,
    quantiles: NDArray[np.float64] | None = None,
    levels: Sequence[float] = (),
) -> pd.DataFrame:
    """Predictions as a table, with the user's labels.

    Args:
        predicted: (B,) class index, or the number in the user's unit.
        probabilities: (B, K), or None for numbers.
        classes: the K labels, or None for numbers.
        quantiles: (B, Q) in the user's unit, for numbers of a quantile loss.
        levels: the Q levels.
    """
    names = output_columns(classes, levels)
    if classes is None or probabilities is None:
        values = [predicted, *(() if quantiles is None else quantiles.T)]
        return pd.DataFrame(dict(zip(names, values, strict=True)))
    table = pd.DataFrame(probabilities, columns=names[1:])
    table.insert(0, names[0], pd.Series(classes)[predicted].to_numpy())
    return table


def record(
    path: Path,
    ids: NDArray[np.uint64],
    predictions: Predictions,
    classes: Sequence[Any] | None,
    network_sha256: str,
) -> None:
    """Write predictions with the `id` of their rows, a hash of the content, and `actual`."""
    table = tabulate(
        predictions.predicted,
        predictions.probabilities,
        classes,
        predictions.quantiles,
        predictions.levels,
    )
    actual: NDArray[Any] = predictions.actual
    if classes is not None:
        actual = np.asarray(pd.Series(classes)[actual.astype(np.int64)])
    table.insert(0, "actual", actual)
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
    try:
        rows = pq.read_table(path, partitioning=None)
    except FileNotFoundError:
        raise SourceError(f"{path}: missing; run the earlier stages first: `dvc repro`") from None
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: damaged ({error}); run `dvc repro -f`") from None
    recorded = (rows.schema.metadata or {}).get(_NETWORK, b"").decode()
    if network_sha256 not in (None, recorded):
        raise SourceError(
            f"{path}: has the predictions of another network ({recorded[:12]}…, models/network is "
            f"{str(network_sha256)[:12]}…); run `dvc repro`, or `python pipeline/evaluate.py`"
        )
    return rows.to_pandas()
