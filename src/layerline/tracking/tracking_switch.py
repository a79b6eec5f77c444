"""Tracking switched off: with LAYERLINE_TRACKING=off a stage logs nothing, and no flusher runs.

register alone keeps its journal, since a model version belongs to a run.
"""

import os
from pathlib import Path
from typing import Any

from layerline.tracking.journal import Journal, Status

SWITCH = "LAYERLINE_TRACKING"


def is_off() -> bool:
    """Whether the user asked for no tracking."""
    return os.environ.get(SWITCH, "").lower() in ("off", "0", "false", "no")


class NoJournal(Journal):
    """A journal that nobody keeps."""

    def __init__(self, key: str) -> None:
        self.path = Path(os.devnull)
        self.key = key
        self.n_lost = 0
        self._odd_metrics = set()

    def artifact(self, path: Path, folder: str = "") -> None:
        """Copy nothing."""

    def sync(self) -> None:
        """There is nothing to sync."""

    def end(self, status: Status, message: str = "") -> None:
        """There is nothing to close."""

    def _append(self, kind: str, time_ms: int | None = None, /, **content: Any) -> None:
        """Write nothing."""
