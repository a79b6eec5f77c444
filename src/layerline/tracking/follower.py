"""Start a flusher in parallel with a stage: live curves, while MLflow stays out of its process."""

import subprocess
from pathlib import Path

from layerline.process import module_command, module_environment

_MAX_LOG_BYTES = 1 << 20


def start_follower(home: Path, journal: Path) -> "subprocess.Popen[bytes]":
    """Start a flusher that sends the journal while it grows.

    It outlives this process, however that ends: it sends the rest, closes the run and exits.
    """
    return start_beside(home, "layerline.tracking.flush", "--follow", str(journal))


def start_beside(home: Path, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start a module with `--home HOME ...` in a separate session.

    Its errors are in `.layerline/follower.log`.
    """
    log = home / ".layerline" / "follower.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    is_long = log.exists() and log.stat().st_size > _MAX_LOG_BYTES
    # Its own session: Ctrl-C is for the training. Its own output: a reader of the stage's output
    # must not wait for it.
    with log.open("wb" if is_long else "ab") as output:
        return subprocess.Popen(
            module_command(module, "--home", str(home), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=home,
            env=module_environment(),
        )
