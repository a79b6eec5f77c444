"""The rows that a source was trained on: a path, or an earlier DVC revision."""

from pathlib import Path

from layerline.artifacts import MANIFEST, Workspace
from layerline.errors import SourceError
from layerline.origins.revisions import DATA, fetch_revision

WHERE = "train.transfer.forgetting.data"
VALIDATED = "validated"


def find_holdout(workspace: Workspace, name: str) -> Path:
    """A folder `data` or `data/validated`, or a Parquet file.

    Args:
        workspace: whose root relative paths start from.
        name: a path, or dvc:REVISION for the data of that revision.

    Raises:
        SourceError: it is none of these, or DVC does not have it.
    """
    if name.startswith("dvc:"):
        folder, _ = fetch_revision(workspace, name.removeprefix("dvc:"), DATA)
        return folder / "data"
    path = workspace.root / name
    if path.is_file() and path.suffix == ".parquet":
        return path
    if (path / VALIDATED / MANIFEST).is_file() or (path / MANIFEST).is_file():
        return path
    what = "is missing" if not path.exists() else "holds no rows written by validate"
    raise SourceError(
        f"{WHERE}: {name!r} {what}; name a folder `data` or `data/validated` of the source's "
        "checkout, a .parquet file of its raw rows, or dvc:REVISION"
    )
