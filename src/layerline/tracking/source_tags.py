"""Where a run comes from: the commit, DVC's experiment and its hashes; without MLflow.

Everything here works, and knows less, without git, DVC or an earlier run.
"""

import getpass
import os
import subprocess
from pathlib import Path

from layerline.artifacts import STAGES
from layerline.tracking.dvc_lock import LOCK, read_lock

_GIT_SECONDS = 10


def git_state(root: Path) -> dict[str, str]:
    """Return {commit, branch, dirty}; empty without git or before the first commit.

    dirty is "true" when tracked files differ from the commit, or Python files are not in it.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return {}
    # dvc.lock is rewritten by `dvc repro` after each stage: that is not a change by the user.
    changes = _git(root, "status", "--porcelain", "--", ".", f":(exclude){LOCK}") or ""
    dirty = [
        line for line in changes.splitlines() if not line.startswith("??") or _is_code(line[3:])
    ]
    state = {"commit": commit, "dirty": "true" if dirty else "false"}
    branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    return {**state, "branch": branch} if branch and branch != "HEAD" else state


def _is_code(path: str) -> bool:
    path = path.strip('"')
    return path.endswith(".py") or path.startswith(("src/", "pipeline/"))


def _git(root: Path, *arguments: str) -> str | None:
    # A status that refreshes the index would take the lock a user's own git command needs.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def source_tags(root: Path, script: str) -> dict[str, str]:
    """Tags for which code ran, and who ran it, under MLflow's own names where it has them."""
    git = git_state(root)
    tags = {
        "mlflow.source.name": script,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git.get("commit"),
        "mlflow.source.git.branch": git.get("branch"),
        "mlflow.user": _user(),
        "layerline.git.dirty": git.get("dirty"),
    }
    return {name: value for name, value in tags.items() if value is not None}


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a uid without a name, as in containers
        return None


def dvc_tags(root: Path, before: str | None = None) -> dict[str, str]:
    """Tags with DVC's experiment and `path=md5` of each stage's deps and outs, from dvc.lock.

    Args:
        root: the checkout or DVC's temporary workspace.
        before: the stage that runs now. dvc.lock is written after each stage, so its entries
            for this one and later ones are of an earlier run, and left out.
    """
    names = {"dvc.exp.name": "DVC_EXP_NAME", "dvc.exp.baseline": "DVC_EXP_BASELINE_REV"}
    tags = {tag: os.environ[name] for tag, name in names.items() if os.environ.get(name)}
    current = STAGES[: STAGES.index(before)] if before in STAGES else None
    for stage, entry in read_lock(root).items():
        if current is not None and stage not in current:
            continue
        for kind in ("deps", "outs"):
            # One tag for all paths: sixty would hide what people look for on a run's page.
            hashes = [f"{i['path']}={i['md5']}" for i in entry.get(kind, ()) if i.get("md5")]
            if hashes:
                tags[f"dvc.{stage}.{kind}"] = "\n".join(hashes)
    return tags
