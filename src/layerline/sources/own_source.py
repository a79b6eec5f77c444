"""A source of the user's own, named by its import path: `fetch.source: mine.sources:orders`.

A function of options alone that returns a DataFrame, the target among its columns; or
images, (N, H, W) or (N, H, W, C) uint8, and a DataFrame of their labels. An option `path` names the
file or folder that it reads, which DVC then watches.
"""

from pathlib import Path
from typing import Any

from layerline.errors import SourceError
from layerline.own_code import calling, find_function, problem, with_options_of
from layerline.sources.source import Source, SourceInfo
from layerline.text import first_line

_WHERE = "fetch.source"
_RETURNS = "a pandas DataFrame, or images (N, H, W[, C]) of uint8 and a DataFrame of labels"


def find_own_source(name: str) -> Source:
    """The line of a source of the user's own.

    Raises:
        ParamsError: there is no such file or function, or it takes other arguments.
    """
    function = find_function(name, _WHERE, (), "def NAME(*, ...) -> pd.DataFrame")

    def fetch(folder: Path, target: str, **options: Any) -> SourceInfo:
        try:
            with calling(name, _WHERE):
                found = function(**options)
        except Exception as error:
            if not isinstance(error.__cause__, OSError):
                raise
            raise SourceError(f"{name}: {first_line(error.__cause__)}") from error
        return _write(name, folder, found)

    build = with_options_of(fetch, function, name, _WHERE)
    return Source(build, watched=("path",), is_versioned=False)


def _write(name: str, folder: Path, found: Any) -> SourceInfo:
    import numpy as np
    import pandas as pd

    from layerline.tables.storage import TABLE, write_images, write_table

    if isinstance(found, pd.DataFrame):
        with calling(name, _WHERE, "gives a table that cannot be written"):
            write_table(folder / TABLE, found.reset_index(drop=True))
        return SourceInfo("table")
    images, labels = found if isinstance(found, tuple) and len(found) == 2 else (None, None)
    if not isinstance(images, np.ndarray) or not isinstance(labels, pd.DataFrame):
        raise problem(name, _WHERE, f"gives {type(found).__name__}, not {_RETURNS}")
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or len(images) != len(labels):
        shape = f"{images.shape} of {images.dtype} with {len(labels)} labels"
        raise problem(name, _WHERE, f"gives images {shape}; it must give {_RETURNS}")
    write_images(folder, images, labels.reset_index(drop=True))
    return SourceInfo("images")
