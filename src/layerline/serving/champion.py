"""The model being served, and how a new champion takes its place.

The alias is looked up every few seconds, and at once on SIGHUP. A new version is loaded, proven and
warmed in a thread while the old one goes on serving; then one assignment swaps them, so no request
is lost: each holds the model it began with. A version that is refused is told of and not tried
again until the alias moves or SIGHUP asks; a store that is away is asked again at the next look.
"""

import asyncio
import contextlib
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerline.errors import LayerlineError, SourceError
from layerline.serving.load_model import Served, Source, load, version_of
from layerline.serving.prometheus import Figures


class Followed:
    """What is being served now; `current` is read once by each request."""

    def __init__(
        self,
        source: Source,
        home: Path,
        figures: Figures,
        say: Callable[[str], None],
        *,
        any_value: bool = False,
    ) -> None:
        self._source, self._home, self._any_value = source, home, any_value
        self._figures, self._say = figures, say
        self._loading = threading.Lock()
        self.refused: dict[str, str] | None = None
        self._trouble = ""
        self.current: Served = load(source, home, any_value)
        self._tell()

    def look(self, again: bool = False) -> bool:
        """Look up the alias and take in a new version; return whether one came.

        Args:
            again: also try a version that was refused before.
        """
        with self._loading:
            try:
                version = version_of(self._source, self._home)
                is_known = self.refused is not None and self.refused["version"] == version
                if version == self.current.version or (is_known and not again):
                    self._trouble = ""
                    return False
                return self._take_in(version)
            except LayerlineError as error:
                self._figures.poll_failures.inc()
                if str(error) != self._trouble:  # said once, not every few seconds
                    self._say(f"version {self.current.version} goes on serving: {error}")
                self._trouble = str(error)
                return False
            except Exception as error:  # nothing that befalls a look may end the looking
                self._figures.poll_failures.inc()
                self._say(f"version {self.current.version} goes on serving: {error!r}")
                return False

    def _take_in(self, version: str) -> bool:
        try:
            new = load(self._source, self._home, self._any_value)
        except LayerlineError as error:
            if not isinstance(error, SourceError):
                raise  # the store's fault, not the version's
            self._refuse(version, error)
            return False
        except Exception as error:  # whatever a damaged version does, the old one goes on serving
            self._refuse(version, error)
            return False
        before, self.current, self.refused, self._trouble = self.current.version, new, None, ""
        self._figures.swaps.inc()
        self._tell()
        self._say(f"version {new.version} took the place of version {before}")
        gc.collect()  # a network's cycles would keep the old weights for a while
        return True

    def _refuse(self, version: str, error: Exception) -> None:
        self.refused = {"version": version, "reason": str(error) or repr(error)}
        self._figures.refused.inc()
        self._say(
            f"version {version} is refused, version {self.current.version} goes on serving: {error}"
        )

    def _tell(self) -> None:
        served = self.current
        self._figures.model.info(
            {
                "name": served.describe()["name"],
                "version": served.version,
                "way": served.answerer.way,
            }
        )

    def describe(self) -> dict[str, Any]:
        """As `/model` answers."""
        return {**self.current.describe(), "refused": self.refused}


@contextlib.asynccontextmanager
async def following(followed: Followed, poll_seconds: float, asked: asyncio.Event) -> Any:
    """Look up the alias every `poll_seconds` (0: only when `asked`) while the block runs."""
    task = asyncio.create_task(_follow(followed, poll_seconds or None, asked))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _follow(followed: Followed, seconds: float | None, asked: asyncio.Event) -> None:
    while True:
        is_asked = True
        try:
            await asyncio.wait_for(asked.wait(), seconds)
        except TimeoutError:
            is_asked = False
        asked.clear()
        await asyncio.to_thread(followed.look, is_asked)
