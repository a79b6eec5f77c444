"""Send journals to MLflow: all that wait, or one while it grows.

A server that is down costs seconds, never a run: what was not sent waits for the next flush.
MLflow is imported only when there is something to send and the server can be reached.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layerline.errors import TrackingError
from layerline.masking import mask_output
from layerline.process import collect_rarely
from layerline.tracking.deadline import deadline
from layerline.tracking.delivery_problems import REMEDY, clear_problem, record_problem
from layerline.tracking.journal_damage import set_aside_lost_journals, unreported_damage
from layerline.tracking.mlflow_runs import delete_duplicates, find_run, possible_duplicates
from layerline.tracking.processes import lower_priority
from layerline.tracking.replay import Replay
from layerline.tracking.spool import (
    close_if_dead,
    has_end,
    lock_journal,
    prune,
    sweep,
    waiting_journals,
)
from layerline.tracking.store import check_reachable, open_client, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

N_ATTEMPTS = 3
SLOW_SECONDS = 5.0
FOLLOW_SECONDS = 3.0
_POLL_SECONDS = 0.25
_MAX_PAUSE_SECONDS = 30.0
N_ATTEMPTS_AFTER_END = 5


@dataclass(frozen=True)
class FlushReport:
    """What a flush did: journals sent whole, journals left, and why.

    A journal is left without an error while its run is live or another flusher sends it.
    """

    sent: int
    waiting: int
    errors: tuple[str, ...] = ()


def flush(home: Path, *, wait_seconds: float = 0.0, leave: Path | None = None) -> FlushReport:
    """Replay all waiting journals into MLflow, oldest first; a failing server raises nothing.

    Args:
        home: the main checkout, `Workspace.home`.
        wait_seconds: how long to wait for another flusher that sends a journal; default: skip it.
        leave: a journal that another process follows.
    """
    set_aside_lost_journals(home)
    sweep(home)
    prune(home)
    journals = waiting_journals(home)
    if not (journals or possible_duplicates(home)):
        return FlushReport(0, 0)
    try:
        with deadline(tracking_uri(home), "opening the store"):
            client = open_client(home, create=True)
    except Exception as error:  # whatever is wrong with the store, the stage continues
        return FlushReport(0, len(journals), (_describe(error),))
    n_sent, errors, held = 0, [], set()
    for journal in journals:
        # One key is one run: what continues it waits until the earlier part is sent.
        if journal.path == leave or journal.key in held:
            held.add(journal.key)
            continue
        try:
            is_done = _send_under_lock(home, client, journal.path, wait_seconds)
        except TrackingError as error:
            errors.append(_describe(error))
            break
        except Exception as error:  # one bad journal must not hold up the others
            errors.append(f"{journal.path}: not sent: {_describe(error)}; {REMEDY}")
            is_done = False
        n_sent += is_done
        if not is_done:
            held.add(journal.key)
    else:
        errors += _delete_duplicates(home, client)
    return FlushReport(n_sent, len(journals) - n_sent, tuple(errors))


def flush_until_end(home: Path, last: Path) -> FlushReport:
    """Flush, and again when the journal `last` has ended, or the process that started this one."""
    parent = os.getppid()
    flush(home, leave=last)  # what fails here fails again
    while last.exists() and not has_end(last) and os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    return flush(home)


def _delete_duplicates(home: Path, client: "MlflowClient") -> list[str]:
    try:
        delete_duplicates(home, client)
    except Exception as error:  # the next flush tries again
        return [_describe(error)]
    return []


def _send_under_lock(home: Path, client: "MlflowClient", path: Path, wait_seconds: float) -> bool:
    with lock_journal(path, wait_seconds) as mine:
        return _send(home, client, path) if mine else not path.exists()


def _send(home: Path, client: "MlflowClient", path: Path) -> bool:
    """Send what a journal holds, with a few quick attempts: a busy database, a server restarted.

    Raises:
        TrackingError: the store no longer answers, or only after a timeout.
    """
    for attempt in range(N_ATTEMPTS):
        started = time.monotonic()
        try:
            with deadline(tracking_uri(home), f"sending {path.name}"):
                replay = Replay(home, client, path)
                replay.read()
                return replay.send()
        except Exception as error:
            if isinstance(error, TrackingError):
                raise
            check_reachable(tracking_uri(home))
            if time.monotonic() - started > SLOW_SECONDS:
                # It would let each journal in turn run into the same timeout.
                raise TrackingError(
                    f"MLflow's store hangs: {_describe(error)}; {REMEDY}"
                ) from error
            if attempt == N_ATTEMPTS - 1:
                raise
            time.sleep(0.2 * 3**attempt)
    raise AssertionError("unreachable")


def follow(home: Path, path: Path) -> None:
    """Send a journal while it grows, until its end is sent or the store stays away.

    When its writer is killed the run is closed as KILLED. After the end, a dead server is tried
    for some seconds more; what is left then goes with the next flush.
    """
    report = flush(home, leave=path)
    if report.errors:
        record_problem(path, report.errors[0])
    with lock_journal(path, wait_seconds=10) as mine:
        if mine:
            _follow_locked(home, path)


def _follow_locked(home: Path, path: Path) -> None:
    replay: Replay | None = None
    n_failures = n_after_end = 0
    while path.exists():
        close_if_dead(path)
        n_after_end += has_end(path)
        try:
            if _is_held_back(home, path):
                flush(home, leave=path)
            with deadline(tracking_uri(home), f"sending {path.name}"):
                replay = replay or Replay(home, open_client(home, create=True), path)
                replay.read()
                is_done = not _is_held_back(home, path) and replay.send()
            clear_problem(path)
            if is_done:
                return
            n_failures = 0
        except Exception as error:  # the training continues, so does its follower
            replay, n_failures = None, n_failures + 1
            record_problem(path, _describe(error))
            sys.stderr.write(f"{path.name}: {_describe(error)}\n")
        if n_after_end >= N_ATTEMPTS_AFTER_END:
            return
        _pause(path, min(FOLLOW_SECONDS * 2**n_failures, _MAX_PAUSE_SECONDS))


def _is_held_back(home: Path, path: Path) -> bool:
    """Whether an older journal of the same key is still to be sent."""
    older = set()
    for journal in waiting_journals(home):
        if journal.path == path:
            return journal.key in older
        older.add(journal.key)
    return False


def _pause(path: Path, seconds: float) -> None:
    """Sleep, but not past the end of the journal."""
    until = time.monotonic() + seconds
    time.sleep(_POLL_SECONDS)
    while time.monotonic() < until and path.exists() and not has_end(path):
        time.sleep(_POLL_SECONDS)


def run_id_of(home: Path, key: str) -> str | None:
    """The MLflow run id of a key; None while no flush has sent its journal.

    Raises:
        TrackingError: the store does not answer.
    """
    try:
        with deadline(tracking_uri(home), "looking for a run"):
            run = find_run(open_client(home), key)
    except TrackingError:
        raise
    except Exception as error:
        raise TrackingError(f"MLflow's store cannot be read: {_describe(error)}") from error
    return None if run is None else str(run.info.run_id)


def _describe(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return (
        first_line if isinstance(error, TrackingError) else f"{type(error).__name__}: {first_line}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Flush or follow; exit code 8 when something could not be sent."""
    collect_rarely()
    mask_output()
    parser = argparse.ArgumentParser(description="Send journals to MLflow.")
    parser.add_argument("--home", type=Path, required=True, help="the main checkout")
    parser.add_argument("--follow", type=Path, metavar="JOURNAL", help="send it while it grows")
    parser.add_argument("--last", type=Path, metavar="JOURNAL", help="wait for its end as well")
    options = parser.parse_args(arguments)
    home = options.home.resolve()
    if options.follow is not None:
        lower_priority()  # the training next to it goes first
        follow(home, options.follow.resolve())
        return 0
    report = flush(home) if options.last is None else flush_until_end(home, options.last.resolve())
    for message in (*report.errors, *unreported_damage(home)):
        sys.stderr.write(f"{message}\n")
    return TrackingError.exit_code if report.errors else 0


if __name__ == "__main__":
    sys.exit(main())
