"""Where data come from: the name in `fetch.source` -> its line.

A source is `fetch(folder, target, *, <its options>) -> SourceInfo`: it writes `table.parquet`, or
`images.npy` and `labels.parquet`, into `folder`. Its keyword-only arguments are `fetch.options`.
To add one: a file with `fetch` that imports heavy libraries inside the function (this table is read
to check params), and a line in SOURCES that says what other rooms must know of it (`Source`). The
contract tests run over every line.

source        a line of the table
fetch         the stage: run, find task, seal
last_fetch    what changed since last time
files         CSV, Parquet, Arrow, JSON lines
image_folder  pictures in folders or archives
own_source    a function of the user's project
openml        tables of openml.org
sklearn       data sets of scikit-learn
sql           queries and tables of databases
torchvision   MNIST, CIFAR and others
reading/      readers of each kind of file
"""

from collections.abc import Mapping

from layerline.lookup import pick
from layerline.sources import files, image_folder, openml, sklearn, sql, torchvision
from layerline.sources.own_source import find_own_source
from layerline.sources.source import Source, SourceInfo

SOURCES: Mapping[str, Source] = {
    "files": Source(files.fetch, watched=("path",), is_versioned=False, has_several=True),
    "image_folder": Source(image_folder.fetch, watched=("path", "labels"), is_versioned=False),
    "openml": Source(openml.fetch, watched=(), is_versioned=True, libraries=("sklearn.datasets",)),
    "sklearn": Source(
        sklearn.fetch, watched=(), is_versioned=True, libraries=("sklearn.datasets",)
    ),
    "sql": Source(sql.fetch, watched=("url",), is_versioned=False, has_several=True),
    "torchvision": Source(torchvision.fetch, watched=(), is_versioned=True),
}


def find_source(name: str) -> Source:
    """The source of that name, which may be an import path.

    Raises:
        ParamsError: there is none; the message lists the known ones.
    """
    return pick(SOURCES, name, "fetch.source", find_own_source)


__all__ = ["SOURCES", "Source", "SourceInfo", "find_source"]
