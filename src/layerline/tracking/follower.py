"""Start a flusher beside a stage: live curves, while MLflow stays out of its process."""

import os
import subprocess
import sys
from pathlib import Path

import layerline

_MAX_LOG_BYTES = 1 << 20


def start_follower(home: Path, journal: Path) -> "subprocess.Popen[bytes]":
    """Start `python -m layerline.tracking.flush --follow`.

    It outlives this process, however that ends: it sends the rest, closes the run honestly and
    goes.
    """
    return start_beside(home, "layerline.tracking.flush", "--follow", str(journal))


def start_beside(home: Path, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start `python -m MODULE --home HOME ...` in a session of its own.

    What troubles it is in `.layerline/follower.log`.
    """
    log = home / ".layerline" / "follower.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    is_long = log.exists() and log.stat().st_size > _MAX_LOG_BYTES
    # The package may be run from a source tree that only this process's sys.path knows.
    package = str(Path(layerline.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", module, "--home", str(home)]
    # Its own session: Ctrl-C is for the training. Its own output: a reader of the stage's output
    # must not wait for it.
    with log.open("wb" if is_long else "ab") as output:
        return subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=home,
            env={**os.environ, "PYTHONPATH": path},
        )
