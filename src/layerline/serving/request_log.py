"""A sample of the rows that were served, as JSON lines: for drift, live scores and replays.

A line holds the time, the version, the answer's id and the row's place in it, the model's own
columns, the prediction and, if a field is named for it, the row's id. Headers, tokens and other
fields are never written. A thread writes: a slow disk loses lines, which are counted, and delays no
request.
"""

import contextlib
import datetime
import os
import queue
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.request_handler import RequestPredictions

_QUEUE = 1000
_STOP_SECONDS = 5.0


class Sampling(NamedTuple):
    """The share of rows that is logged, and the field of a row that is its id."""

    share: float = 0.0
    id_field: str | None = None


NO_SAMPLE = Sampling()


class Answer(NamedTuple):
    """The version that answered, and the answer's id."""

    version: str
    id: str


class RequestLog:
    """Appends to a file; at `max_bytes` it becomes FILE.1 and a new one is started."""

    def __init__(
        self, path: Path, sample: Sampling, metrics: Metrics, max_bytes: int = 100 << 20
    ) -> None:
        self._path, self._sample, self._max_bytes = path, sample, max_bytes
        self._dropped = metrics.log_dropped
        self._random = np.random.default_rng()
        self._lines: queue.Queue[bytes | None] = queue.Queue(_QUEUE)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open():
            pass  # a file that cannot be written is reported at the start
        self._thread = threading.Thread(target=self._write, daemon=True, name="request-log")
        self._thread.start()

    def take(
        self, predictions: RequestPredictions, answer: Answer, columns: Collection[str]
    ) -> None:
        """Write the sampled rows of a response; never blocks."""
        self.put(sample_lines(predictions, answer, columns, self._sample, self._random))

    def put(self, lines: Iterable[bytes]) -> None:
        """Write lines that a worker process made; never blocks."""
        for line in lines:
            try:
                self._lines.put_nowait(line)
            except queue.Full:
                self._dropped.inc()

    def close(self) -> None:
        """Write what is queued, within a time limit."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=_STOP_SECONDS)
        self._thread.join(_STOP_SECONDS)

    def _open(self) -> Any:
        # Rows may be personal data: only the owner may read them.
        return open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")  # noqa: PTH123

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                with self._open() as file:
                    file.write(line)
                    is_full = file.tell() >= self._max_bytes
                if is_full:
                    os.replace(self._path, self._path.with_name(f"{self._path.name}.1"))
            except OSError:
                self._dropped.inc()


def sample_lines(
    predictions: RequestPredictions,
    answer: Answer,
    columns: Collection[str],
    sample: Sampling,
    random: np.random.Generator,
) -> list[bytes]:
    """The lines of a random share of the rows."""
    if not sample.share:
        return []
    chosen = np.flatnonzero(random.random(predictions.n_rows) < sample.share).tolist()
    return [_line(predictions, at, answer, columns, sample.id_field) for at in chosen]


def _line(
    predictions: RequestPredictions,
    at: int,
    answer: Answer,
    columns: Collection[str],
    id_field: str | None,
) -> bytes:
    row, name = predictions.row(at), {}
    if isinstance(row, dict):
        name = {"id": row.get(id_field)} if id_field else {}
        row = {name: row[name] for name in columns}
    entry = name | {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "version": answer.version,
        "answer": [answer.id, at, predictions.n_rows],
        "row": row,
        "prediction": predictions.predicted.prediction[at],
    }
    first = predictions.predicted.names[0]
    if first not in entry:  # of several targets: `prediction` is all that was answered
        entry["prediction"] = predictions.predicted.rows()[at]
    elif predictions.predicted.values is not None:
        names = predictions.predicted.names[1:]
        entry |= dict(zip(names, predictions.predicted.values[at], strict=True))
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(entry, default=str, option=options)
