"""The real data sets that scikit-learn brings; no network is needed."""

from pathlib import Path
from typing import Any, Literal

from layerline.errors import ParamsError, Problem
from layerline.sources.source import SourceInfo

Dataset = Literal["digits", "breast_cancer", "wine", "iris", "diabetes"]


def fetch(folder: Path, target: str, *, dataset: Dataset) -> SourceInfo:
    """Write the data set as a table; its target column is called `target`.

    Classes have scikit-learn's names (iris: setosa, ...), the digits are the numbers 0 to 9.

    Args:
        folder: where `table.parquet` goes.
        target: the name of the target column.
        dataset: one of scikit-learn's own.

    Raises:
        ParamsError: a feature already has the target's name.
    """
    # Here, not above: scikit-learn costs 1.6 s, and this module is imported to check params.
    import sklearn
    from sklearn import datasets

    from layerline.tables.storage import TABLE, write_table

    bunch: Any = getattr(datasets, f"load_{dataset}")(as_frame=True)
    frame = bunch.data.copy()
    if target in frame:
        message = f"{target!r} is a feature of {dataset}; rename the target"
        raise ParamsError([Problem("fetch.target", message)])
    names = [getattr(name, "item", lambda name=name: name)() for name in _names(bunch)]
    named = bool(names) and isinstance(names[0], str)
    frame[target] = [names[code] for code in bunch.target] if named else bunch.target
    write_table(folder / TABLE, frame)
    origin = {"package": f"scikit-learn {sklearn.__version__}", "dataset": dataset}
    return SourceInfo("table", None, origin)


def _names(bunch: Any) -> list[Any]:
    names = getattr(bunch, "target_names", None)
    return [] if names is None else list(names)
