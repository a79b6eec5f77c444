"""A training from one seed or several: which of them train together, and what is kept of them.

Seeds are `seed`, `seed + 1`, ... Networks that can be stacked train together as one batched
network; others, and a seed that diverges in a stack, one after another. Either way each seed gives
what it gives alone: the same rows in the same order, the same dropout, its own early stopping.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

from layerline.config import TrainSection
from layerline.errors import DivergedError
from layerline.lookup import pick
from layerline.networks.serialization import NetworkSpec
from layerline.networks.stack import NotStackableError
from layerline.training.dataset import Rows
from layerline.training.device import choose_device, count_operations
from layerline.training.ensemble_builder import as_ensemble
from layerline.training.epoch_records import EpochRecord, FitResult
from layerline.training.learner import Learner
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.optimizers import OPTIMIZERS
from layerline.training.progress import progress
from layerline.training.setup import TrainingSetup
from layerline.training.snapshots import Snapshots, resume

OpenSnapshots = Callable[[dict[str, Any]], Snapshots]
OnEpoch = Callable[[EpochRecord], None]
Report = Callable[[str], None]

_LEAST_MINUTES = 1e-3  # one step of one epoch

# A step's, of one network. Measured with 4 MLPs, plain and with batch norm and dropout: training
# together is 1.4 to 1.6 times as fast at 1 million operations, 1.1 to 1.2 at 20, 0.9 at 32.
OPERATIONS_TOGETHER = 25e6


@dataclasses.dataclass(frozen=True)
class Kept:
    """The network that is kept, how it is built, and the history of the best seed.

    `about` is recorded in the manifest of models/network.
    """

    network: nn.Module
    spec: NetworkSpec
    result: FitResult
    about: dict[str, Any]


class Seeds:
    """All seeds of one training; `discard` their snapshots once the network is written.

    With a `learner` there is one seed, and the learner's network is trained.
    """

    def __init__(
        self, setup: TrainingSetup, open_snapshots: OpenSnapshots, learner: Learner | None = None
    ) -> None:
        self.setup = setup
        self.open_snapshots = open_snapshots
        self.learner = learner
        self.restarts = setup.section.restarts
        self.members: list[Member] = []
        self.waiting: list[tuple[int, ...]] = []  # groups of seeds that are yet to be trained
        self.used: list[Snapshots] = []
        self.minutes = 0.0  # that seeds have taken, together and one after another
        self.reported_epochs = 0

    def run(self, on_epoch: OnEpoch, report: Report) -> Kept:
        """Train every seed, or resume a killed run; a seed that diverges is left out.

        `on_epoch` receives one curve. Of seeds trained together it is that of the one that leads,
        epoch by epoch; of seeds trained one after another that of the best one, at the end.

        Raises:
            DivergedError: every seed's loss was not finite, also with lower rates.
        """

        def live(record: EpochRecord) -> None:
            self.reported_epochs += 1
            on_epoch(record)

        self.waiting = self._groups()
        is_single = len(self.waiting) == 1
        while self.waiting:
            group = self.waiting.pop(0)
            try:
                members = self._train(group, live if is_single else _ignore, report)
            except NotStackableError:
                self.waiting, is_single = [(seed,) for seed in group], False
                continue
            except DivergedError as error:
                self._leave_out(group[0], error, report)
                continue
            is_single = False
            self.waiting += [(member.seed,) for member in members if member.has_diverged]
        self.members.sort(key=lambda member: member.seed)
        kept = self.kept()
        for record in () if self.reported_epochs else kept.result.history:
            on_epoch(record)
        return kept

    def _groups(self) -> list[tuple[int, ...]]:
        """The seeds that train together, group by group."""
        setup = self.setup
        if self.restarts is None:
            return [(setup.seed,)]
        seeds = tuple(range(setup.seed, setup.seed + self.restarts.seeds))
        network = setup.build_member(setup.seed).network
        if trains_together(setup.section, setup.data.train, network):
            return [seeds]
        return [(seed,) for seed in seeds]

    def _train(self, group: tuple[int, ...], on_epoch: OnEpoch, report: Report) -> list[Member]:
        """Train a group of seeds; those that have not diverged join the members."""
        learner, section = self.learner, self._within_time()
        if learner is None:
            members = [self.setup.build_member(seed) for seed in group]
            training = Training(members, self.setup.data, section)
        else:
            members = [Member(learner.trained, group[0])]
            training = Training(members, learner.data, section, learner.fine_tuning)
        self.members += members
        snapshots = self._open(group)
        label = f"seed {group[0]}" if self.restarts and len(group) == 1 else "train"
        if resume(snapshots, training, report):
            report(f"{label}: resuming after epoch {training.epoch - 1}")
            for record in training.leader.history if training.leader else ():
                on_epoch(record)
        with progress(section.epochs, training.epoch - 1, on_epoch, report, label) as listener:
            training.run(listener, snapshots)
        if self.waiting or any(member.has_diverged for member in members):
            snapshots.save(training.state())  # a later run takes the finished seeds from there
        self.minutes += training.clock.minutes
        self.members = [member for member in self.members if not member.has_diverged]
        for member in members:
            # The networks have their best weights by now; copies would only take memory.
            member.best = dataclasses.replace(member.best, weights={})
            if self.restarts and not member.has_diverged:
                report(
                    f"seed {member.seed}: {self._value(member):.4g} in epoch {member.best.epoch}"
                )
        return members

    def _leave_out(self, seed: int, error: DivergedError, report: Report) -> None:
        """Continue without a seed that diverged.

        Raises:
            DivergedError: there is no other.
        """
        self.members = [member for member in self.members if member.seed != seed]
        if not self.members and not self.waiting:
            raise error
        report(f"note: seed {seed} is left out: {error}")

    def _within_time(self) -> TrainSection:
        """The section, with an equal share of what is left of the time budget for each group."""
        section = self.setup.section
        stopping = section.early_stopping
        if stopping is None or stopping.time_minutes is None:
            return section
        n_groups = len(self.waiting) + 1
        minutes = max((stopping.time_minutes - self.minutes) / n_groups, _LEAST_MINUTES)
        stopping = dataclasses.replace(stopping, time_minutes=minutes)
        return dataclasses.replace(section, early_stopping=stopping)

    def _open(self, group: tuple[int, ...]) -> Snapshots:
        origin = None if self.learner is None else self.learner.origin
        self.used.append(self.open_snapshots({"seeds": list(group), "origin": origin}))
        return self.used[-1]

    def _value(self, member: Member) -> float:
        kept = member.history[member.best.epoch - 1]
        return kept.monitored(self.setup.section.monitored)

    def kept(self) -> Kept:
        """The best of the members, or all of them as one; of those that have finished an epoch."""
        spec = self.setup.spec
        if self.learner is not None:
            self.learner.merge(self.learner.network)
            return Kept(self.learner.network, spec, self.members[0].result, {})
        found = [member for member in self.members if member.best.epoch]
        best = min(found, key=self._value)
        about: dict[str, Any] = {"seeds": {str(m.seed): self._value(m) for m in found}}
        if self.restarts is None or self.restarts.keep == "best":
            return Kept(best.network, spec, best.result, {**about, "kept_seed": best.seed})
        network, ensemble = as_ensemble([member.network for member in found], spec)
        return Kept(network, ensemble, best.result, about)

    def interrupted(self) -> Kept | None:
        """What is kept when training stops now; None before the first epoch's end."""
        for member in self.members:
            if member.best.weights:
                member.best.restore(member.network)
        return self.kept() if any(member.best.epoch for member in self.members) else None

    def discard(self) -> None:
        """Remove the snapshots: the network is written."""
        for snapshots in self.used:
            snapshots.discard()


def trains_together(section: TrainSection, train: Rows, network: nn.Module) -> bool:
    """Whether several such networks can take their steps as one, and gain by it.

    What they share is the cost of calls; large products of one network are quicker than those of
    several together, which need more memory than the processor's caches have.
    """
    if (
        not pick(OPTIMIZERS, section.optimizer.name, "train.optimizer").stackable
        or choose_device(section.device).type != "cpu"
        or train.is_streamed
    ):
        return False
    operations = 3 * section.batch_size * count_operations(network, tuple(train.x.shape[1:]))
    return operations < OPERATIONS_TOGETHER


def _ignore(record: EpochRecord) -> None:
    return None
