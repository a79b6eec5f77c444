"""The journal: what a stage tells about its run, appended to a file as JSON lines.

One file a journal, `<UTC time>-<stage>-<key>.jsonl`; copies of artifacts lie beside it, under
`.files/`. Each line is one event with `seq` (0, 1, ...), `time_ms` and `type`:

    start     key, stage, experiment, run_name, continues, process
    params    params {name: text}
    tags      tags {name: text}
    metrics   metrics {name: finite number}, step
    artifact  path (relative to the journal's folder), folder (within the run's artifacts)
    dataset   name, digest, source, context, n_rows, schema, profile
    link      tag, key: the tag gets the MLflow run id of the journal with that key
    end       status (FINISHED, FAILED, KILLED), message

A line is handed to the kernel as it is written, so kill -9 costs at most the line being written;
fsync comes at most once a second, so a power cut costs a second. To add a type of event, add a
method here and a case in `layerline.tracking.replay`.
"""

import contextlib
import json
import logging
import math
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from layerline.masking import masked, masked_value
from layerline.tracking.processes import process_identity

Status = Literal["FINISHED", "FAILED", "KILLED"]
Event = dict[str, Any]

FILES = ".files"
SUFFIX = ".jsonl"
SYNC_SECONDS = 1.0
MAX_MESSAGE = 2000

_log = logging.getLogger(__name__)


class Journal:
    """Appends the events of one run; made by `Journal.create`, safe to use from threads.

    A disk that is full must not stop a training: what cannot be written is counted in `n_lost`
    and said once, as a warning in the log.
    """

    def __init__(self, path: Path, descriptor: int, key: str) -> None:
        self.path = path
        self.key = key
        self.n_lost = 0
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._seq = 0
        self._n_artifacts = 0
        self._bytes = 0
        self._synced = 0.0
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
        process: Mapping[str, Any] | None = None,
    ) -> Self:
        """Open a new journal in `folder`.

        Args:
            folder: where the journals of the checkout are, `Workspace.journals`.
            key: names the run: one key, one MLflow run, however many journals tell of it.
            stage: the stage that writes; the first stage of a key owns the run's status.
            experiment: the MLflow experiment's name.
            run_name: how users see the run; under `dvc exp run` it is the experiment's name.
            continues: adds to the run of `key` that an earlier journal made.
            process: whose death ends the run; by default this process.
        """
        for name, value in {"key": key, "stage": stage}.items():
            if not re.fullmatch(r"[\w.-]+", value):  # both are part of a file's name
                raise ValueError(f"{name} must be letters, digits, '_', '.', '-', got {value!r}")
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{stage}-{key[:8]}"
        path, descriptor = _open_new(folder, stem)
        journal = cls(path, descriptor, key)
        journal._append(
            "start",
            key=key,
            stage=stage,
            experiment=experiment,
            run_name=os.environ.get("DVC_EXP_NAME") or run_name,
            continues=continues,
            process=dict(process or process_identity()),
        )
        journal.sync()
        return journal

    def params(self, params: Mapping[str, Any]) -> None:
        """Tell params, flattened by the caller; MLflow keeps each one's first value."""
        self._append("params", params=_as_texts(masked_value("", params)))

    def tags(self, tags: Mapping[str, Any]) -> None:
        """Tell tags; a later value replaces an earlier one."""
        self._append("tags", tags=_as_texts(masked_value("", tags)))

    def metrics(
        self, metrics: Mapping[str, float], step: int | None = None, time_ms: int | None = None
    ) -> None:
        """Tell numbers at a step, all of one moment.

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
        """Copy a file or a folder beside the journal now, to be sent to `folder` of the run."""
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

    def dataset(
        self,
        *,
        name: str,
        digest: str,
        source: str,
        context: str,
        n_rows: int,
        schema: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell a data set the run read: `context` is training, validation, ...; schema name: type.

        `profile` says more than the number of rows; its `shape` is that of one row that is no
        row of a table. MLflow keeps one input for each name and digest of a run: tell splits
        under own names.
        """
        self._append(
            "dataset",
            name=name,
            digest=digest,
            source=masked(source),
            context=context,
            n_rows=n_rows,
            schema=None if schema is None else dict(schema),
            profile=dict(profile or {}),
        )

    def link(self, tag: str, key: str) -> None:
        """Set a tag to the MLflow run id of the journal with that key."""
        self._append("link", tag=tag, key=key)

    def end(self, status: Status, message: str = "") -> None:
        """Tell how it ended and close the file; a second call does nothing."""
        if self._ended:
            return
        self._append("end", status=status, message=masked(message)[:MAX_MESSAGE])
        self._ended = True
        self.sync()
        os.close(self._descriptor)

    def sync(self) -> None:
        """Have the disk hold all that was told so far."""
        with self._lock, contextlib.suppress(OSError):
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

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
            now = round(time.time() * 1000) if time_ms is None else time_ms
            event = {"seq": self._seq, "time_ms": now, "type": kind, **content}
            line = json.dumps(event, ensure_ascii=False, allow_nan=False).encode() + b"\n"
            self._seq += 1
            try:
                self._write(line)
            except OSError as error:
                self._lose(error)

    def _write(self, line: bytes) -> None:
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError("disk full: a line was cut short")
        except OSError:
            # A cut line in the middle would take the next line with it.
            os.ftruncate(self._descriptor, self._bytes)
            raise
        self._bytes += len(line)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._synced = time.monotonic()

    def _lose(self, error: OSError) -> None:
        if not self.n_lost:
            _log.warning("%s: tracking cannot write (%s); the run goes on", self.path, error)
        self.n_lost += 1


def read_events(path: Path) -> list[Event]:
    """Read a journal's whole lines; a cut last line, as kill -9 leaves it, is left out."""
    return list(_parse(path.read_bytes()))


def read_more(path: Path, offset: int) -> tuple[list[Event], int]:
    """Read the whole lines from a byte offset on, and where to read on the next time."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return list(_parse(whole)), offset + len(whole)


def _parse(data: bytes) -> Iterator[Event]:
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        # After a power cut some filesystems leave blocks of zeros: lose that line, not the rest.
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "type" in event:
                yield event


def _open_new(folder: Path, stem: str) -> tuple[Path, int]:
    path = folder / f"{stem}{SUFFIX}"
    number = 1
    while True:
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except FileExistsError:
            number += 1
            path = folder / f"{stem}-{number}{SUFFIX}"


def _as_texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): _as_text(value) for name, value in values.items()}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
