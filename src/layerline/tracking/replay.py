"""One journal into one MLflow run, exactly once per event.

The run carries a cursor, the `seq` of the last event sent, as a tag that goes with the events in
the same log_batch; it is removed with the last event. A crash between two steps repeats a step,
and every step may be repeated: see `Batch`, artifacts overwrite themselves, inputs and status are
set. One process at a time replays a journal, under `spool.lock_journal`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from layerline.errors import TrackingError
from layerline.tracking.journal_damage import describe, set_aside_lines
from layerline.tracking.journal_lines import Event, start_of
from layerline.tracking.journal_reader import JournalReader
from layerline.tracking.log_batches import Batch, clean_name
from layerline.tracking.mlflow_runs import (
    NOT_MLFLOW,
    STAGE_TAG,
    find_or_create_run,
    find_run,
)
from layerline.tracking.spool import mark_done, waiting_journals
from layerline.tracking.store import record_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

MESSAGE_TAG = "layerline.message"
_MAX_DIGEST = 36
_MAX_SCHEMA = 1_048_575


class Replay:
    """Reads a journal as it grows (`read`) and sends what was read (`send`).

    After an exception the object is of no use; a new one resumes from the run's cursor.
    """

    def __init__(self, home: Path, client: "MlflowClient", path: Path) -> None:
        self._home = home
        self._client = client
        self._path = path
        self._reader = JournalReader(path)
        self._start: Event = {}
        self._end: Event | None = None
        self._run_id = ""
        self._owns_status = False
        self._sent = self._cursor = -1
        self._cursor_tag = clean_name(f"layerline.cursor.{path.stem}")
        self._batch = Batch({})
        self._links: dict[str, str] = {}
        self._handlers: dict[str, Callable[[Event], None]] = {
            "params": self._add_params,
            "tags": self._add_tags,
            "metrics": self._add_metrics,
            "artifact": self._send_artifact,
            "dataset": self._send_dataset,
            "link": self._add_link,
        }

    def read(self) -> None:
        """Read what was written since the last time."""
        self._reader.read()

    def send(self) -> bool:
        """Send what was read; True when the journal is done, and marked so."""
        events = self._reader.take()
        if events and not self._start:
            start = start_of(events)
            if start is None:
                return False  # the next flush sets such a journal aside
            if not self._attach(start):  # the user deleted the run
                mark_done(self._path)
                return True
        for event in events:
            if event["type"] == "end":
                self._end = event
            elif event["type"] != "start":
                self._replay(event)
        if self._end is not None:
            return self._finish(self._end)
        self._send_batch()
        return False

    def _attach(self, start: Event) -> bool:
        run = find_or_create_run(self._home, self._client, start)
        if run is None:
            return False
        record_store(self._home)
        tags = run.data.tags
        self._start = start
        self._run_id = run.info.run_id
        # A training owns its run, even if a later stage of it was sent first.
        self._owns_status = start["stage"] in ("train", tags.get(STAGE_TAG, start["stage"]))
        self._sent = int(tags.get(self._cursor_tag, -1))
        self._cursor = max(self._sent, start["seq"])
        self._batch = Batch(dict(run.data.params))
        is_new = self._sent < 0
        if is_new and start["continues"] and self._owns_status and run.info.status != "RUNNING":
            # A training that resumes after it was killed.
            self._client.update_run(self._run_id, status="RUNNING")
            if MESSAGE_TAG in tags:
                self._client.delete_tag(self._run_id, MESSAGE_TAG)
        return True

    def _replay(self, event: Event) -> None:
        is_sent = event["seq"] <= self._sent
        if event["type"] == "link":
            self._links[event["tag"]] = event["key"]
        handler = self._handlers.get(event["type"])
        if is_sent or handler is None:
            return  # sent before, or of a type that only a newer Layerline knows
        handler(event)
        self._cursor = event["seq"]

    def _send_batch(self) -> None:
        if not self._run_id:
            return
        # The first time even when there is nothing to send: the tag is there to be removed.
        if self._cursor > self._sent or not self._batch.is_empty:
            self._batch.send(self._client, self._run_id, {self._cursor_tag: str(self._cursor)})
            self._sent = self._cursor

    def _send_if_full(self) -> None:
        if self._batch.is_full:
            self._send_batch()

    def _add_params(self, event: Event) -> None:
        for name, value in event["params"].items():
            self._batch.add_param(name, value)
            self._send_if_full()

    def _add_tags(self, event: Event) -> None:
        for name, value in event["tags"].items():
            self._batch.add_tag(name, value)
            self._send_if_full()

    def _add_metrics(self, event: Event) -> None:
        for name, value in event["metrics"].items():
            self._batch.add_metric(name, value, event["time_ms"], event["step"])
            self._send_if_full()

    def _send_artifact(self, event: Event) -> None:
        stored = self._path.parent / event["path"]
        if stored.exists():
            self._client.log_artifact(self._run_id, str(stored), event["folder"] or None)
        else:
            self._batch.add_tag(f"layerline.missing.{stored.name}", "its copy was removed")

    def _send_dataset(self, event: Event) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=event["name"],
            digest=event["digest"][:_MAX_DIGEST],
            source_type="local",
            source=json.dumps({"uri": event["source"]}),
            schema=_as_schema(event),
            profile=json.dumps({"num_rows": event["n_rows"], **event.get("profile", {})}),
        )
        tags = [InputTag("mlflow.data.context", event["context"])]
        self._client.log_inputs(self._run_id, [DatasetInput(dataset, tags)])

    def _add_link(self, event: Event) -> None:
        run = find_run(self._client, event["key"])
        if run is not None:
            self._batch.add_tag(event["tag"], run.info.run_id)
            del self._links[event["tag"]]

    def _finish(self, end: Event) -> bool:
        """Close the run with the journal's status; False while a linked journal is not sent yet."""
        unresolved = self._resolve_links()
        stage, status, message = self._start["stage"], end["status"], end["message"]
        if self._start["continues"]:
            self._batch.add_tag(f"layerline.{stage}.status", status)
        if message:
            tag = MESSAGE_TAG if self._owns_status else f"layerline.{stage}.message"
            self._batch.add_tag(tag, message)
        self._add_losses(end)
        self._send_batch()
        if self._owns_status:
            end_ms = max(end["time_ms"], self._start["time_ms"])
            self._client.set_terminated(self._run_id, status, end_time=end_ms)
        waiting = {journal.key for journal in waiting_journals(self._home)}
        if unresolved & (waiting - {self._start["key"]}):
            return False
        self._require_arrival()
        self._client.delete_tag(self._run_id, self._cursor_tag)
        mark_done(self._path)
        return True

    def _require_arrival(self) -> None:
        """Believe no answer alone: something else than MLflow may say yes to all requests.

        Raises:
            TrackingError: the run lacks the tag that is written last.
        """
        found = self._client.get_run(self._run_id).data.tags.get(self._cursor_tag)
        if found != str(self._cursor):
            raise TrackingError(NOT_MLFLOW)

    def _add_losses(self, end: Event) -> None:
        """Tag the run with what it lacks: damaged on disk, or never written to a full one."""
        stage = self._start["stage"]
        summary = describe(len(self._reader.damaged), self._reader.missing)
        if summary:
            aside = set_aside_lines(self._path, self._reader.damaged, summary)
            self._batch.add_tag(f"layerline.damaged.{stage}", f"{summary}; set aside in {aside}")
        if end.get("n_lost"):
            text = f"{end['n_lost']} events could not be written: was the disk full?"
            self._batch.add_tag(f"layerline.lost.{stage}", text)

    def _resolve_links(self) -> set[str]:
        """Set tags of links whose run did not exist yet, or that another flusher read."""
        unresolved = set()
        for tag, key in self._links.items():
            run = find_run(self._client, key)
            self._batch.add_tag(tag, run.info.run_id if run else f"not in this store: {key}")
            self._send_if_full()
            if run is None:
                unresolved.add(key)
        return unresolved


def _as_schema(event: Event) -> str | None:
    """The columns of a table, or the shape of its rows, as MLflow's pages read them."""
    shape = event.get("profile", {}).get("shape")
    if shape is not None:
        spec = {"dtype": "float32", "shape": [-1, *shape]}
        features = json.dumps([{"type": "tensor", "tensor-spec": spec}])
        return json.dumps({"mlflow_tensorspec": {"features": features, "targets": None}})
    columns = [{"name": name, "type": kind} for name, kind in (event["schema"] or {}).items()]
    # MLflow refuses more: what does not fit is left out, the profile has the number of columns.
    while len(text := json.dumps({"mlflow_colspec": columns})) > _MAX_SCHEMA:
        columns = columns[: len(columns) // 2]
    return text if columns else None
