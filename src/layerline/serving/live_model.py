"""The model being served, and how a new champion takes its place.

The alias is polled every few seconds, and at once on SIGHUP. A new version is loaded, verified and
warmed in a thread while the old one keeps serving; then one assignment swaps them, so no request is
lost: each keeps the model it started with. A version that is refused is reported and not tried
again until the alias moves or on SIGHUP; an unavailable store is asked again at the next poll.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerline.errors import LayerlineError, SourceError
from layerline.serving.load_model import ServedModel, Source, load, verified_way, version_of
from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.worker_pool import WorkerPool


class LiveModel:
    """The model being served now; each request reads `current` once."""

    def __init__(
        self,
        source: Source,
        home: Path,
        metrics: Metrics,
        report: Callable[[str], None],
        *,
        any_value: bool = False,
        workers: WorkerPool | None = None,
    ) -> None:
        self._source, self._home, self._any_value = source, home, any_value
        self._metrics, self._report, self._workers = metrics, report, workers
        self._loading = threading.Lock()
        self.refused: dict[str, str] | None = None
        self._last_error = ""
        self.current: ServedModel = load(source, home, any_value)
        self._publish()

    def poll(self, again: bool = False) -> bool:
        """Look up the alias and load a new version; return whether one was swapped in.

        Args:
            again: also retry a version that was refused before.
        """
        with self._loading:
            try:
                version = version_of(self._source, self._home)
                is_known = self.refused is not None and self.refused["version"] == version
                if version == self.current.version or (is_known and not again):
                    self._last_error = ""
                    return False
                return self._swap(version)
            except LayerlineError as error:
                self._metrics.poll_failures.inc()
                if str(error) != self._last_error:  # reported once, not every few seconds
                    self._report(f"version {self.current.version} keeps serving: {error}")
                self._last_error = str(error)
                return False
            except Exception as error:  # no failure of a poll may end the polling
                self._metrics.poll_failures.inc()
                self._report(f"version {self.current.version} keeps serving: {error!r}")
                return False

    def _swap(self, version: str) -> bool:
        try:
            verify = verified_way if self._workers is None else self._workers.verify
            new = load(self._source, self._home, self._any_value, verify)
        except LayerlineError as error:
            if not isinstance(error, SourceError):
                raise  # the store failed, not the version
            self._refuse(version, error)
            return False
        except Exception as error:  # whatever a damaged version raises, the old one keeps serving
            self._refuse(version, error)
            return False
        before, self.current = self.current, new
        self.refused, self._last_error = None, ""
        self._metrics.swaps.inc()
        self._publish()
        self._report(f"version {new.version} replaced version {before.version}")
        if self._workers is not None:
            self._workers.forget(before)
        return True

    def _refuse(self, version: str, error: Exception) -> None:
        self.refused = {"version": version, "reason": str(error) or repr(error)}
        self._metrics.refused.inc()
        self._report(
            f"version {version} was refused, version {self.current.version} keeps serving: {error}"
        )

    def _publish(self) -> None:
        served = self.current
        self._metrics.model.info(
            {
                "name": served.describe()["name"],
                "version": served.version,
                "way": served.handler.way,
            }
        )

    def describe(self) -> dict[str, Any]:
        """The response of `/model`."""
        return {**self.current.describe(), "refused": self.refused}


@contextlib.asynccontextmanager
async def watching(live: LiveModel, poll_seconds: float, asked: asyncio.Event) -> Any:
    """Poll the alias every `poll_seconds` (0: only when `asked`) while the block runs."""
    task = asyncio.create_task(_watch(live, poll_seconds or None, asked))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _watch(live: LiveModel, seconds: float | None, asked: asyncio.Event) -> None:
    while True:
        is_asked = True
        try:
            await asyncio.wait_for(asked.wait(), seconds)
        except TimeoutError:
            is_asked = False
        asked.clear()
        await asyncio.to_thread(live.poll, is_asked)
