"""What the train stage logs: its inputs, each epoch, system metrics, and what it kept."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from layerline.artifacts import Workspace
from layerline.config import Params, read_rank_place
from layerline.tracking.delivery_problems import delivery_problem
from layerline.tracking.follower import start_follower
from layerline.tracking.journal import Journal
from layerline.tracking.provenance import log_files, log_inputs, log_network, log_transfer
from layerline.tracking.system_metrics import sampling
from layerline.tracking.tracking_switch import NoJournal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class TrainingResult(Protocol):
    """What a training returns: records of its epochs, the kept one (from 1), why it stopped."""

    @property
    def history(self) -> Sequence[Any]: ...
    @property
    def kept_epoch(self) -> int: ...
    @property
    def reason(self) -> str | None: ...


class TrainingLog:
    """The journal of one training; `report` passes messages to the user."""

    def __init__(
        self, journal: Journal, workspace: Workspace, report: Callable[[str], None]
    ) -> None:
        """Start sending the journal to MLflow: that process imports it while this imports torch."""
        self.journal, self.workspace, self.report = journal, workspace, report
        self._has_epoch = threading.Event()
        place = read_rank_place()
        self.is_first = place is None or place.rank == 0  # of its ranks, which log nothing else
        if not isinstance(journal, NoJournal):
            start_follower(workspace.home, journal.path)

    def log_inputs(self, params: Params) -> None:
        """The data, and params.yaml with the files it names."""
        if not self.is_first:
            return
        log_inputs(self.journal, self.workspace, params.project)
        for note in log_files(self.journal, self.workspace, params):
            self.report(f"note: {note}")

    def log_epoch(self, record: "DataclassInstance") -> None:
        """One epoch's figures."""
        figures = dataclasses.asdict(record)
        epoch = figures.pop("epoch")
        known = {name: value for name, value in figures.items() if value is not None}
        self.journal.metrics(known, step=epoch)
        self._has_epoch.set()

    def system_metrics(self) -> contextlib.AbstractContextManager[None]:
        """Sample the machine's load while the block runs."""
        if not self.is_first:
            return contextlib.nullcontext()
        return sampling(self.journal, has_epoch=self._has_epoch)

    def log_result(self, result: TrainingResult, identity: Mapping[str, str] | None) -> None:
        """What was kept and why training stopped; `identity` names the source it started from."""
        if not self.is_first:
            return
        if identity is not None:
            log_transfer(self.journal, self.workspace, identity)
        log_network(self.journal, self.workspace, result.kept_epoch)
        if result.reason is not None:
            self.journal.tags({"layerline.stopped": result.reason})
            self.report(f"stopped: {result.reason}")
        kept = result.history[result.kept_epoch - 1]
        self.report(
            f"kept epoch {result.kept_epoch} of {len(result.history)}: "
            f"validation loss {kept.valid_loss:.4g}, error {kept.valid_error:.4g}"
        )
        if isinstance(self.journal, NoJournal):
            return
        problem = delivery_problem(self.workspace.home, self.journal.path)
        if problem is not None:
            self.report(f"note: {problem}")
