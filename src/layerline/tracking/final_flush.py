"""The last flush of a `dvc repro`: what its stages logged is in MLflow soon after DVC has ended.

`register` flushes, but it may not run: nothing it depends on changed, or only some stages were
asked for. So the first stage of a repro starts this light process, which waits for DVC to end and
sends what is left. MLflow is imported only then, and only when there is something to send.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from layerline.masking import mask_output
from layerline.process import collect_rarely
from layerline.tracking.follower import start_beside
from layerline.tracking.restored_stages import name_of, this_repro
from layerline.tracking.tracking_switch import is_off

POLL_SECONDS = 0.25
GRACE_SECONDS = 1.0  # an orphaned stage needs a moment to end as well
FLUSH_SECONDS = 30.0


def start_final_flush(home: Path) -> None:
    """Start the process, once in a `dvc repro`; do nothing for a stage started without DVC."""
    repro = this_repro()
    if repro is None or is_off():
        return
    with contextlib.suppress(OSError):  # a disk that cannot be written is reported elsewhere
        lock = _lock(home, repro.name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return  # already running
        lock.release()
        module = "layerline.tracking.final_flush"
        start_beside(home, module, "--pid", str(repro.pid), "--name", repro.name)


def _lock(home: Path, name: str) -> FileLock:
    path = home / ".layerline" / "locks" / f"closing-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def flush_after_exit(home: Path, pid: int, name: str) -> None:
    """Wait for the end of the process, then flush."""
    from layerline.tracking.flush import flush

    while name_of(pid) == name:
        time.sleep(POLL_SECONDS)
    time.sleep(GRACE_SECONDS)
    for error in flush(home, wait_seconds=FLUSH_SECONDS).errors:
        sys.stderr.write(f"final flush: {error}\n")


def main() -> int:
    """Serve one repro; a second process for the same one exits at once."""
    mask_output()
    collect_rarely()
    parser = argparse.ArgumentParser(description="Flush when a process has ended.")
    parser.add_argument("--home", type=Path, required=True, help="the main checkout")
    parser.add_argument("--pid", type=int, required=True, help="the process to wait for")
    parser.add_argument("--name", required=True, help="what `name_of` returned for it")
    options = parser.parse_args()
    home = options.home.resolve()
    lock = _lock(home, options.name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return 0
    flush_after_exit(home, options.pid, options.name)
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
