"""`git pull` in a clone of Layerline whose params.yaml and dvc.yaml are the user's.

Upstream changes both files, too. Git is told, in this clone alone, how to merge them: params.yaml
stays the user's, dvc.yaml gets the lines of both.
"""

import shutil
import subprocess
from pathlib import Path

# In a rebase git calls the commit that is applied again "theirs" (%B): it is the user's.
_KEEP_OWN = (
    'if [ -d "$(git rev-parse --git-path rebase-merge)" ] || '
    '[ -d "$(git rev-parse --git-path rebase-apply)" ]; then cp %B %A; fi'
)
_DRIVERS = {
    "params.yaml": ("layerline-params", _KEEP_OWN),
    "dvc.yaml": ("layerline-dvc", "git merge-file --quiet --union %A %O %B"),
}


def is_clone(root: Path) -> bool:
    """Whether the folder is a checkout of Layerline itself."""
    return (root / "src" / "layerline" / "cli").is_dir()


def settle_merges(root: Path) -> bool:
    """Have merges into this clone keep what `layerline init` writes; False: git does not take it.

    It is kept in .git, which is the user's alone, and takes effect for committed files.
    """
    place = _git(root, "rev-parse", "--git-path", "info/attributes")
    if place is None:
        return False
    file = root / place
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    wanted = [f"/{name} merge={driver}" for name, (driver, _) in _DRIVERS.items()]
    for driver, command in _DRIVERS.values():
        if _git(root, "config", "--local", f"merge.{driver}.driver", command) is None:
            return False
    if missing := [line for line in wanted if line not in lines]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*lines, *missing, ""]), encoding="utf-8")
    return True


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where there is no git, no repository of this root, or it refuses."""
    if shutil.which("git") is None or not (root / ".git").exists():
        return None
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None
