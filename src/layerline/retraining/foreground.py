"""`layerline retrain --every ...`: a scheduler in the foreground, for a laptop or a container."""

import datetime
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from layerline.artifacts import Workspace
from layerline.retraining.dvc_process import RetrainError
from layerline.retraining.log import status
from layerline.retraining.scheduler_files import Times
from layerline.stage.protection import Terminated, ends_with_parent

LOOK_SECONDS = 30.0  # a machine that slept notices within this time that a run is due
_RUN = (sys.executable, "-P", "-c", "from layerline.cli import main; main()", "retrain")


def keep_retraining(
    workspace: Workspace, times: Times, options: Sequence[str], report: Callable[[str], None]
) -> None:
    """Run `layerline retrain` at these times, until a signal ends it.

    A time that passed since the last run, while this was not running or the machine slept, is made
    up for once, and so is the first run. Each is a process of its own, which holds no memory
    afterwards.

    Raises:
        ParamsError: there is no such time or time zone.
        RetrainError: a signal arrived; a run under way was stopped with it.
    """
    times.next_after(datetime.datetime.now(datetime.UTC))  # a wrong time is refused before any run
    process = None
    try:
        with ends_with_parent():
            while True:
                _wait_until(due(workspace, times), times, report)
                # Of its own session: a terminal's Ctrl-C comes here, and then once to the run.
                process = subprocess.Popen([*_RUN, *options], start_new_session=True)
                process.wait()
    except KeyboardInterrupt as error:
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
        code = 143 if isinstance(error, Terminated) else 130
        raise RetrainError("stopped; nothing runs any more", code) from None


def due(workspace: Workspace, times: Times) -> datetime.datetime:
    """When the next run is due: after the last one; at once where there is none."""
    last, now = status(workspace)["last"], datetime.datetime.now(datetime.UTC)
    if last is None:
        return now
    return times.next_after(min(datetime.datetime.fromisoformat(last["started"]), now))


def _wait_until(moment: datetime.datetime, times: Times, report: Callable[[str], None]) -> None:
    def left() -> float:
        return (moment - datetime.datetime.now(datetime.UTC)).total_seconds()

    if left() > 0:
        report(f"the next run is at {moment.astimezone(times.zone):%Y-%m-%d %H:%M %Z}")
    while (seconds := left()) > 0:
        time.sleep(min(seconds, LOOK_SECONDS))
