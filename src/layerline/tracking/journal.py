"""The journal: what a stage logs of its run, as events appended to a file.

One file a journal, `<UTC time>-<stage>-<key>.jsonl`; copies of artifacts are next to it, under
`.files/`. Each line is one event with `seq` (0, 1, ...), `time_ms` and `type`:

    start     key, stage, experiment, run_name, continues, process, uptime_ms
    params    params {name: text}
    tags      tags {name: text}
    metrics   metrics {name: finite number}, step
    artifact  path (relative to the journal's folder), folder (within the run's artifacts)
    dataset   name, digest, source, context, n_rows, schema, profile
    link      tag, key: the tag gets the MLflow run id of the journal with that key
    end       status (FINISHED, FAILED, KILLED), message, n_lost, start (a copy)

The start is written twice and copied into the end: without it the run of its events is unknown.
"""

import dataclasses
import json
import logging
import math
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from layerline.masking import masked, masked_value
from layerline.tracking.journal_file import JournalFile, create_journal_file
from layerline.tracking.journal_lines import Event, encode
from layerline.tracking.processes import process_identity, uptime_ms

Status = Literal["FINISHED", "FAILED", "KILLED"]

FILES = ".files"
MAX_MESSAGE = 2000

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set that a run read; `context` is training, validation or testing.

    `schema` is name: type. `profile` says more than the number of rows; its `shape` is that of one
    row that is not a row of a table. MLflow keeps one input for each name and digest of a run: log
    splits under separate names.
    """

    name: str
    digest: str
    source: str
    context: str
    n_rows: int
    schema: Mapping[str, str] | None = None
    profile: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Journal:
    """Appends the events of one run; made by `Journal.create`, safe to use from threads.

    A disk that is full must not stop a training: what cannot be written is counted in `n_lost`
    and logged once, as a warning.
    """

    def __init__(self, file: JournalFile, start: Event) -> None:
        self.path = file.path
        self.key: str = start["key"]
        self.n_lost = 0
        self._file = file
        self._start = start
        self._lock = threading.Lock()
        self._time_ms: int = start["time_ms"]
        self._n_artifacts = 0
        self._ended = False
        self._odd_metrics: set[str] = set()

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        key: str,
        stage: str,
        experiment: str,
        run_name: str,
        continues: bool = False,
    ) -> Self:
        """Open a new journal in `folder`.

        Args:
            folder: where the journals of the checkout are, `Workspace.journals`.
            key: names the run: one key, one MLflow run, however many journals log to it.
            stage: the stage that writes; the first stage of a key owns the run's status.
            experiment: the MLflow experiment's name.
            run_name: how users see the run; under `dvc exp run` it is the experiment's name.
            continues: adds to the run of `key` that an earlier journal made.

        Raises:
            OSError: the file cannot be written.
        """
        for name, value in {"key": key, "stage": stage}.items():
            if not re.fullmatch(r"[\w.-]+", value):  # both are part of a file's name
                raise ValueError(f"{name} must be letters, digits, '_', '.', '-', got {value!r}")
        folder.mkdir(parents=True, exist_ok=True)
        start: Event = {
            "seq": 0,
            "time_ms": round(time.time() * 1000),
            "type": "start",
            "key": key,
            "stage": stage,
            "experiment": experiment,
            "run_name": os.environ.get("DVC_EXP_NAME") or run_name,
            "continues": continues,
            "process": process_identity(),
            "uptime_ms": uptime_ms(),
        }
        stem = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{stage}-{key[:8]}"
        return cls(create_journal_file(folder, stem, 2 * encode(start)), start)

    def params(self, params: Mapping[str, Any]) -> None:
        """Log params, flattened by the caller; MLflow keeps each one's first value."""
        self._append("params", params=_as_texts(masked_value("", params)))

    def tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; a later value replaces an earlier one."""
        self._append("tags", tags=_as_texts(masked_value("", tags)))

    def metrics(
        self, metrics: Mapping[str, float], step: int | None = None, time_ms: int | None = None
    ) -> None:
        """Log numbers at a step, all of one moment.

        MLflow stores infinity as 1.8e308: what is not finite becomes a tag instead, once a name.
        """
        values = {name: float(value) for name, value in metrics.items()}
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        odd = {name: value for name, value in values.items() if name not in finite}
        if finite:
            self._append("metrics", time_ms, metrics=finite, step=step or 0)
        odd = {name: value for name, value in odd.items() if name not in self._odd_metrics}
        if odd:
            self._odd_metrics.update(odd)
            where = "" if step is None else f" at step {step}"
            self.tags({f"layerline.nonfinite.{name}": f"{odd[name]}{where}" for name in odd})

    def artifact(self, path: Path, folder: str = "") -> None:
        """Copy a file or a folder next to the journal now, to be sent to `folder` of the run."""
        with self._lock:
            number, self._n_artifacts = self._n_artifacts, self._n_artifacts + 1
        target = self.path.parent / FILES / self.path.stem / str(number) / path.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(path, target)
        except OSError as error:
            self._lose(error)
            return
        stored = target.relative_to(self.path.parent).as_posix()
        self._append("artifact", path=stored, folder=folder)

    def dataset(self, dataset: Dataset) -> None:
        """Log a data set that the run read."""
        self._append("dataset", **dataclasses.asdict(dataset) | {"source": masked(dataset.source)})

    def link(self, tag: str, key: str) -> None:
        """Set a tag to the MLflow run id of the journal with that key."""
        self._append("link", tag=tag, key=key)

    def end(self, status: Status, message: str = "") -> None:
        """Log how the run ended and close the file; a second call does nothing."""
        if self._ended:
            return
        text = masked(message)[:MAX_MESSAGE]
        facts = {"status": status, "message": text, "n_lost": self.n_lost, "start": self._start}
        self._append("end", **facts)
        self._ended = True
        self._file.close()

    def sync(self) -> None:
        """Flush everything logged so far to the disk."""
        with self._lock:
            self._file.sync()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or (isinstance(error, SystemExit) and not error.code):
            self.end("FINISHED")
        else:
            killed = issubclass(kind, KeyboardInterrupt)
            self.end("KILLED" if killed else "FAILED", f"{kind.__name__}: {error}".rstrip(": "))

    def _append(self, kind: str, time_ms: int | None = None, /, **content: Any) -> None:
        if self._ended:
            raise ValueError(f"{self.path}: ended; {kind!r} came after `end`")
        with self._lock:
            # A clock that is set back must not let a run end before it started.
            self._time_ms = max(self._time_ms, round(time.time() * 1000))
            now = self._time_ms if time_ms is None else time_ms
            try:
                # Numbers have no gap: one that is missing later was damaged on disk.
                seq = self._start["seq"] + self._file.count()
                self._file.append(encode({"seq": seq, "time_ms": now, "type": kind, **content}))
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        if not self.n_lost:
            _log.warning("%s: tracking cannot write (%s); the run continues", self.path, error)
        self.n_lost += 1


def _as_texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): _as_text(value) for name, value in values.items()}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
