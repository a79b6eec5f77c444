"""What a training of an earlier revision made, out of DVC's cache or its remote."""

import shutil
from pathlib import Path

from layerline.artifacts import MANIFEST, SourceFiles, Workspace
from layerline.errors import SourceError
from layerline.origins.files import source_of_folder

PARTS = ("models/network", "models/preprocessor")


def source_of_revision(workspace: Workspace, revision: str) -> SourceFiles:
    """The network and preprocessor of a commit, branch, tag or DVC experiment.

    Raises:
        SourceError: there is no such revision, or DVC has neither the files nor a remote with them.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import resolve_rev

    try:
        with Repo(str(workspace.root.resolve())) as repo:
            commit = resolve_rev(repo.scm, revision)
        folder = workspace.home / ".layerline" / "sources" / f"dvc-{commit}"
        if not (folder / PARTS[0] / MANIFEST).is_file():
            _get(workspace, commit, folder)
    except DvcException as error:
        raise SourceError(
            f"dvc:{revision}: {str(error).strip() or type(error).__name__}; name a revision whose "
            "dvc.lock has models/network, and `dvc pull` it if its files are not in the cache"
        ) from None
    files = source_of_folder(folder / PARTS[0])
    return SourceFiles(files.weights, files.spec, files.preprocessor, {"revision": commit})


def _get(workspace: Workspace, commit: str, folder: Path) -> None:
    from dvc.api import DVCFileSystem

    system = DVCFileSystem(url=str(workspace.root.resolve()), rev=commit)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        for part in PARTS:
            if not system.exists(part):
                raise SourceError(f"{commit[:12]}: has no {part} in its dvc.lock")
            (temporary / part).parent.mkdir(parents=True, exist_ok=True)
            system.get(part, str(temporary / part), recursive=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except FileNotFoundError as error:
        raise SourceError(
            f"{commit[:12]}: DVC's cache and remotes do not have {error}; `dvc pull` it first"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
