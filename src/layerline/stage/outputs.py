"""The outputs of a failed stage: its last good ones, back in place from DVC's cache."""

import os

from layerline.artifacts import Workspace


def restore_outputs(name: str, workspace: Workspace) -> bool:
    """Put a failed stage's last good outputs back; return whether there were any.

    DVC removes them before a stage runs, and keeps them in its cache: `persist: true` would leave
    them, but costs the run-cache. dvc.lock still describes the run that made them, so the next
    `dvc repro` runs the stage again.
    """
    if "DVC_STAGE" not in os.environ:
        return False
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(workspace.root.resolve())) as repo:
            outputs = repo.stage.load_one("dvc.yaml", name=name).outs
            known = [output for output in outputs if output.hash_info]
            for output in known:
                output.checkout(force=True)
    except (DvcException, OSError):
        return False  # never cached, or no cache here: there is nothing to put back
    return bool(known)
