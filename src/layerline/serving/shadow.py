"""A second model that predicts what is logged: compared later, never answered.

The lines wait for it on their way to the log; its own process predicts them, at lower priority. So
nothing that it does delays an answer or loses a line: without its prediction the line is written
as it is, and counted.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from layerline.errors import LayerlineError, SourceError
from layerline.serving.load_model import NO_VERSION, ServedModel, Source, load, version_of
from layerline.serving.middleware import Problem
from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.request_handler import JSON
from layerline.serving.request_log import RequestLog, Sampling
from layerline.serving.worker_pool import IDLE_SECONDS, WorkerPool

POLL_SECONDS = 5.0
REFUSED = 422  # a row, not the whole body: the others are tried by themselves
_BATCH = 64
_QUEUE = 1000
_STOP_SECONDS = 15.0  # of a prediction's, and a little more


class Shadow:
    """Follows its alias, and adds its predictions to lines; made before any thread starts."""

    def __init__(
        self, source: Source, home: Path, metrics: Metrics, report: Callable[[str], None]
    ) -> None:
        self._source, self._home, self._metrics = source, home, metrics
        self._report, self._reported = report, ""
        self._workers = WorkerPool()
        self._served: ServedModel | None = None
        self._tried = ""  # the version that was loaded last, or could not be
        self._next_poll = 0.0

    def add_to(self, lines: list[bytes]) -> list[bytes]:
        """The lines with `shadow`, its version and prediction; as they are where it fails."""
        try:
            self.poll()
            return self._scored(lines)
        except Exception as error:  # whatever it is, the lines are worth more
            self._metrics.shadow_missed.inc(len(lines))
            self._fail(error)
            return lines

    def poll(self) -> None:
        """Load the version that holds the alias now, if it is another one."""
        if time.monotonic() < self._next_poll:
            return
        self._next_poll = time.monotonic() + POLL_SECONDS
        try:
            version = version_of(self._source, self._home)
            if version == self._tried:
                return
            self._served, before, self._tried = None, self._served, version
            if before is not None:
                self._workers.forget(before)
            self._served = load(self._source, self._home, any_value=True, verify=self._verify)
            self._report(f"shadow: {self._source.uri} version {version}")
        except LayerlineError as error:
            if not isinstance(error, SourceError):  # the store's fault: tried again
                self._tried = ""
            self._fail(error)

    def _verify(self, uri: str, bundle: Path, any_value: bool) -> str:
        return self._workers.verify(uri, bundle, any_value)

    def _scored(self, lines: list[bytes]) -> list[bytes]:
        served = self._served
        if served is None or not lines:
            self._metrics.shadow_missed.inc(len(lines))
            return lines
        entries = [orjson.loads(line) for line in lines]
        if served.version in {entry["version"] for entry in entries} - {NO_VERSION}:
            return lines  # it has become the champion
        try:
            found = self._predict(served, [entry["row"] for entry in entries])
        except Problem as error:
            if len(lines) == 1 or error.status != REFUSED:
                self._metrics.shadow_missed.inc(len(lines))
                self._fail(error)
                return lines
            return [line for one in lines for line in self._scored([one])]
        self._metrics.shadow_rows.inc(len(lines))
        return [
            orjson.dumps(
                entry | {"shadow": {"version": served.version, **prediction}},
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for entry, prediction in zip(entries, found, strict=True)
        ]

    def _predict(self, served: ServedModel, rows: list[Any]) -> list[dict[str, Any]]:
        reply = self._workers.predict(served, JSON, orjson.dumps(rows))
        predictions: list[dict[str, Any]] = orjson.loads(reply.content)["predictions"]
        return predictions

    def _fail(self, error: Exception) -> None:
        faults = error.faults if isinstance(error, Problem) else ()
        text = "; ".join(fault.message for fault in faults) or str(error) or repr(error)
        if text != self._reported:  # once, not with every row
            self._report(f"the shadow does not predict: {text}")
        self._reported = text

    def rest(self) -> None:
        """End its process, where it had nothing to do for a while."""
        self._workers.end_idle()

    def missed(self) -> None:
        """Count a line that could not wait."""
        self._metrics.shadow_missed.inc()

    def close(self) -> None:
        """End its process."""
        self._workers.close()


class ShadowedLog(RequestLog):
    """A request log whose lines pass the shadow first; what cannot wait passes by."""

    def __init__(self, path: Path, sample: Sampling, metrics: Metrics, shadow: Shadow) -> None:
        super().__init__(path, sample, metrics)
        self._shadow = shadow
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_QUEUE)
        self._scoring = threading.Thread(target=self._score, daemon=True, name="shadow")
        self._scoring.start()

    def put(self, lines: Iterable[bytes]) -> None:
        """Give lines to the shadow; never blocks."""
        for line in lines:
            try:
                self._waiting.put_nowait(line)
            except queue.Full:
                self._shadow.missed()
                super().put([line])

    def close(self) -> None:
        """Score and write what is queued, within a time limit."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=_STOP_SECONDS)
        self._scoring.join(_STOP_SECONDS)
        super().close()
        self._shadow.close()

    def _score(self) -> None:
        self._shadow.add_to([])  # loads it before the first row comes
        is_open = True
        while is_open:
            try:
                batch = [self._waiting.get(timeout=IDLE_SECONDS)]
            except queue.Empty:
                self._shadow.rest()
                continue
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            is_open = None not in batch
            super().put(self._shadow.add_to([line for line in batch if line is not None]))
