"""The network of an earlier revision, from DVC's cache or its remote."""

import shutil
from pathlib import Path

from layerline.artifacts import MANIFEST, SourceFiles, Workspace
from layerline.errors import SourceError
from layerline.origins.local import source_of_folder

MODEL = ("models/network", "models/preprocessor")
DATA = ("data/validated", "data/scaled")


def source_of_revision(workspace: Workspace, revision: str) -> SourceFiles:
    """The network and preprocessor of a commit, branch, tag or DVC experiment.

    Raises:
        SourceError: there is no such revision, or DVC has neither the files nor a remote with them.
    """
    folder, commit = fetch_revision(workspace, revision, MODEL)
    files = source_of_folder(folder / MODEL[0])
    return SourceFiles(files.weights, files.spec, files.preprocessor, {"revision": commit})


def fetch_revision(workspace: Workspace, revision: str, parts: tuple[str, ...]) -> tuple[Path, str]:
    """A folder with these outputs of a revision, fetched once, and the revision's commit.

    Raises:
        SourceError: there is no such revision, or DVC has neither the files nor a remote with them.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import resolve_rev

    try:
        with Repo(str(workspace.root.resolve())) as repo:
            commit = resolve_rev(repo.scm, revision)
        kind = "" if parts == MODEL else f"-{parts[0].partition('/')[0]}"
        folder = workspace.home / ".layerline" / "sources" / f"dvc-{commit}{kind}"
        if not (folder / parts[0] / MANIFEST).is_file():
            _get(workspace, commit, folder, parts)
    except DvcException as error:
        raise SourceError(
            f"dvc:{revision}: {str(error).strip() or type(error).__name__}; name a revision whose "
            f"dvc.lock has {parts[0]}, and `dvc pull` it if its files are not in the cache"
        ) from None
    return folder, commit


def _get(workspace: Workspace, commit: str, folder: Path, parts: tuple[str, ...]) -> None:
    from dvc.api import DVCFileSystem

    system = DVCFileSystem(url=str(workspace.root.resolve()), rev=commit)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        for part in parts:
            if not system.exists(part):
                raise SourceError(f"{commit[:12]}: its dvc.lock has no {part}")
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
