"""Where data come from: name in `fetch.source` -> the function that fetches.

A source is `fetch(folder, target, *, <its options>) -> SourceInfo`: it writes `table.parquet`, or
`images.npy` and `labels.parquet`, into `folder`. Its keyword-only arguments are `fetch.options`.
To add one: write a file with `fetch` that imports heavy libraries inside the function (this table
is read to check params), and add a line here. The contract test runs over every line.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Concatenate

from layerline.sources import files, image_folder, openml, sklearn, sql, torchvision
from layerline.sources.fetched import SourceInfo

SOURCES: Mapping[str, Callable[Concatenate[Path, str, ...], SourceInfo]] = {
    "files": files.fetch,
    "image_folder": image_folder.fetch,
    "openml": openml.fetch,
    "sklearn": sklearn.fetch,
    "sql": sql.fetch,
    "torchvision": torchvision.fetch,
}
