"""What pipeline/train.py logs: a live run, its inputs, one record an epoch, the network at its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layerline.artifacts import Workspace
from layerline.config import Params
from layerline.tracking.delivery_problems import delivery_problem
from layerline.tracking.follower import start_follower
from layerline.tracking.journal import Journal
from layerline.tracking.provenance import log_files, log_inputs, log_network, log_transfer
from layerline.tracking.switch import NoJournal


class TrainingRun:
    """Logs one training to its journal, while a flusher beside it sends the journal to MLflow."""

    def __init__(self, workspace: Workspace, params: Params, journal: Journal) -> None:
        self._workspace = workspace
        self._params = params
        self.journal = journal

    def follow(self) -> None:
        """Start the flusher; first of all, as it imports MLflow while this process imports torch."""
        if not isinstance(self.journal, NoJournal):
            start_follower(self._workspace.home, self.journal.path)

    def log_inputs(self) -> list[str]:
        """Log data sets, params.yaml and reports; return notes for the user."""
        log_inputs(self.journal, self._workspace, self._params.project)
        return log_files(self.journal, self._workspace, self._params)

    def log_epoch(self, figures: Mapping[str, Any]) -> None:
        """Log the figures of one epoch; `epoch` among them is the step."""
        values = dict(figures)
        self.journal.metrics(values, step=values.pop("epoch"))

    def log_result(
        self, kept_epoch: int, stopped: str | None, source: Mapping[str, str] | None
    ) -> None:
        """Log the network that was kept, why the training stopped, and whose weights it started from.

        Args:
            kept_epoch: the epoch whose weights were kept.
            stopped: why the training stopped early; None when it did not.
            source: the identity of the weights it started from; None when it started from scratch.
        """
        if source is not None:
            log_transfer(self.journal, self._workspace, source)
        log_network(self.journal, self._workspace, kept_epoch)
        if stopped is not None:
            self.journal.tags({"layerline.stopped": stopped})

    def problem(self) -> str | None:
        """Why the run cannot be sent to MLflow now; None when nothing is known."""
        if isinstance(self.journal, NoJournal):
            return None
        return delivery_problem(self._workspace.home, Path(self.journal.path))
