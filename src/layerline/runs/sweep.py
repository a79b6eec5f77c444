"""Dead runs get an end: RUNNING in the store, while their process is gone.

A journal that still exists closes its run (`spool.sweep`, at each flush). Here are the runs whose
journal is lost; the run's own tag names the process then.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from layerline.artifacts import journals_of
from layerline.runs.run import Run, duration, experiments, search
from layerline.tracking.journal_file import SUFFIX
from layerline.tracking.journal_lines import Event, read_events
from layerline.tracking.mlflow_names import metric_history
from layerline.tracking.mlflow_runs import KEY_TAG
from layerline.tracking.processes import FOREIGN_SILENCE_SECONDS, is_gone, process_identity
from layerline.tracking.replay import MESSAGE_TAG
from layerline.tracking.spool import DONE, waiting_journals

if TYPE_CHECKING:
    from mlflow import MlflowClient

# {host, boot_id, pid, start_time} of the process that made the run, as JSON.
PROCESS_TAG = "layerline.process"
RUNNING = "attributes.status = 'RUNNING'"


@dataclass(frozen=True)
class Swept:
    """What became of a run that was RUNNING: closed with a status, or left alone, and why."""

    run: Run
    status: Literal["FINISHED", "FAILED", "KILLED"] | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run.run_id,
            "name": self.run.name,
            "project": self.run.project,
            "closed_as": self.status,
            "reason": self.reason,
        }


def sweep_store(
    client: "MlflowClient", home: Path, lost_hosts: Sequence[str] = ()
) -> tuple[list[Swept], list[Run]]:
    """Close the dead among all RUNNING runs of the store; the caller has flushed before.

    Args:
        client: the store.
        home: the main checkout; its journals are asked first.
        lost_hosts: machines that the user declares gone permanently.

    Returns:
        What became of each run of Layerline, and the runs of other tools, which are left alone.
    """
    swept, foreign = [], []
    for run in list(search(client, experiments(client), RUNNING)):
        if run.stage:
            silent_seconds = time.time() - _last_sign_ms(client, run) / 1000
            swept.append(_close(client, _judge(home, run, silent_seconds, lost_hosts)))
        else:
            foreign.append(run)
    return swept, foreign


def looks_dead(run: Run) -> bool:
    """Whether a run is RUNNING in the store, though the process its tag names is gone here."""
    process = _tagged(run)
    if run.status != "RUNNING" or process is None:
        return False
    return _is_here(process) and is_gone(process, 0)


def _is_here(process: Mapping[str, Any]) -> bool:
    return bool(process.get("host") == process_identity()["host"])


def _tagged(run: Run) -> Mapping[str, Any] | None:
    try:
        process = json.loads(run.tags.get(PROCESS_TAG, ""))
    except ValueError:
        return None
    return process if isinstance(process, dict) and "pid" in process else None


def _judge(home: Path, run: Run, silent_seconds: float, lost_hosts: Sequence[str]) -> Swept:
    key = run.tags[KEY_TAG]
    waiting = [journal.start for journal in waiting_journals(home) if journal.key == key]
    # The newest first: a training that went on after it was killed is of another process.
    process = waiting[-1]["process"] if waiting else _tagged(run)
    if process is not None and _is_here(process) and not is_gone(process, silent_seconds):
        return Swept(run, None, f"still running: its process {process['pid']} is alive")
    # Only now, for the last deed of a process that is gone may have been to end its journal.
    if any(journal.key == key for journal in waiting_journals(home)):
        return Swept(run, None, "its journal waits to be sent, and has its end")
    end = _logged_end(home, run)
    if end is not None:
        return Swept(run, end["status"], "as in its journal, which was sent long ago")
    if process is None:
        return _judge_unknown(run, silent_seconds)
    return _judge_unwritten(run, process, silent_seconds, lost_hosts)


def _judge_unwritten(
    run: Run, process: Mapping[str, Any], silent_seconds: float, lost_hosts: Sequence[str]
) -> Swept:
    """A run without a journal here, and not of a live process of this machine."""
    host = process.get("host")
    if host in lost_hosts:
        return Swept(run, "KILLED", f"its machine, {host}, is gone permanently (--lost-host)")
    if _is_here(process):
        reason = f"its process {process['pid']} on {host} is gone, and its journal is lost"
        return Swept(run, "KILLED", reason)
    silence = f"it ran on another machine, {host}; its last event is {duration(silent_seconds)} old"
    advice = f"sweep there; if that machine is gone permanently, add --lost-host {host}"
    return Swept(run, None, f"{silence}: {advice}")


def _judge_unknown(run: Run, silent_seconds: float) -> Swept:
    """A run without a process tag and without a journal here: only its silence counts."""
    silence = duration(silent_seconds)
    if silent_seconds > FOREIGN_SILENCE_SECONDS:
        reason = f"its journal is lost, its process is unknown, and its last event is {silence} old"
        return Swept(run, "KILLED", reason)
    hours = FOREIGN_SILENCE_SECONDS / 3600
    reason = f"its journal is lost, its process is unknown, and its last event is {silence} old"
    return Swept(run, None, f"{reason}: after {hours:.0f} h of silence a sweep closes it")


def _logged_end(home: Path, run: Run) -> Event | None:
    """The end in a journal that was sent: a store restored from a backup lacks it."""
    key = run.tags[KEY_TAG]
    for path in sorted(journals_of(home).glob(f"*-{key[:8]}*{SUFFIX}{DONE}"), reverse=True):
        events = read_events(path)
        if events and (events[0].get("key"), events[0].get("stage")) == (key, run.stage):
            return next((event for event in reversed(events) if event["type"] == "end"), None)
    return None


def _last_sign_ms(client: "MlflowClient", run: Run) -> int:
    """When the run last logged something: its newest metric, else its start."""
    times = [run.start_ms]
    for name in run.metrics:
        times += [int(metric.timestamp) for metric in metric_history(client, run.run_id, name)]
    return max(times)


def _close(client: "MlflowClient", verdict: Swept) -> Swept:
    run_id, status = verdict.run.run_id, verdict.status
    if status is None:
        return verdict
    if client.get_run(run_id).info.status != "RUNNING":
        return Swept(verdict.run, None, "it ended just now")
    # The message first: killed in between, the next sweep finds the run again.
    text = f"closed by `layerline runs --sweep`: {verdict.reason}"
    client.set_tag(run_id, MESSAGE_TAG, text)
    client.set_terminated(run_id, status, end_time=_last_sign_ms(client, verdict.run))
    return verdict
