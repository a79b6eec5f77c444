"""Which way the seeds are trained, and what is kept of them."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from layerline.config import RestartsSection, TrainSection
from layerline.errors import DivergedError
from layerline.networks.ensemble import Ensemble
from layerline.networks.serialization import NetworkSpec
from layerline.networks.stack import NotStackableError
from layerline.training.dataset import Rows
from layerline.training.device import choose_device, count_operations
from layerline.training.epoch_records import EpochRecord, FitResult
from layerline.training.loop import Training
from layerline.training.objectives import read_link
from layerline.training.optimizers import STACKABLE
from layerline.training.progress import progress
from layerline.training.restarts.together import Member, Together
from layerline.training.setup import Material
from layerline.training.snapshots import Snapshots, take_up

OpenSnapshots = Callable[[dict[str, Any]], Snapshots]
OnEpoch = Callable[[EpochRecord], None]
Say = Callable[[str], None]

_LEAST_MINUTES = 1e-3  # one step of one epoch

# A step's, of one network. Measured with 4 MLPs, plain and with batch norm and dropout: training
# together is 1.4 to 1.6 times as fast at 1 million operations, 1.1 to 1.2 at 20, 0.9 at 32.
OPERATIONS_TOGETHER = 25e6


@dataclasses.dataclass(frozen=True)
class Kept:
    """The network that is kept, how it is built, and the history of the best seed."""

    network: nn.Module
    spec: NetworkSpec
    result: FitResult
    about: dict[str, Any]


class Restarts:
    """All seeds of one training; `discard` their snapshots once the network is written."""

    def __init__(self, material: Material, open_snapshots: OpenSnapshots) -> None:
        self.material = material
        self.open_snapshots = open_snapshots
        assert material.section.restarts is not None
        self.restarts: RestartsSection = material.section.restarts
        self.members: list[Member] = []
        self.used: list[Snapshots] = []
        self.minutes = 0.0  # that seeds have taken, together and one after another

    def run(self, on_epoch: OnEpoch, say: Say) -> Kept:
        """Train every seed, or go on where a killed run was; a seed that diverges is left out.

        `on_epoch` hears one curve. Of seeds trained together it is that of the one that leads,
        epoch by epoch; of seeds trained one after another that of the best one, at the end.

        Raises:
            DivergedError: every seed's loss was not finite, also with lower rates.
        """
        heard: list[EpochRecord] = []

        def tell(record: EpochRecord) -> None:
            heard.append(record)
            on_epoch(record)

        seeds = range(self.material.seed, self.material.seed + self.restarts.seeds)
        self._together(seeds, tell, say)
        self.members = [member for member in self.members if not member.has_diverged]
        for member in self.members:
            self._tell_seed(member, say)
        for seed in sorted({*seeds} - {member.seed for member in self.members}):
            try:
                self._tell_seed(self._alone(seed, say), say)
            except DivergedError as error:
                self.members = [member for member in self.members if member.seed != seed]
                if not self.members and seed == seeds[-1]:
                    raise
                say(f"note: seed {seed} is left out: {error}")
        self.members.sort(key=lambda member: member.seed)
        kept = self.kept()
        for record in () if heard else kept.result.history:
            on_epoch(record)
        return kept

    def _tell_seed(self, member: Member, say: Say) -> None:
        say(f"seed {member.seed}: {self._value(member):.4g} in epoch {member.best.epoch}")

    def _together(self, seeds: range, on_epoch: OnEpoch, say: Say) -> None:
        """Train all seeds at once, when such a training has a batched form."""
        given = self.material
        if not trains_together(given.section, given.train, given.build(given.seed)):
            return
        networks, dropouts = [], []
        for seed in seeds:
            networks.append(given.build(seed))
            dropouts.append(torch.Generator().set_state(torch.get_rng_state()))
        with contextlib.suppress(NotStackableError):
            training = Together(
                networks,
                dropouts,
                (given.train, given.valid),
                given.section,
                task=given.spec.task,
                seed=given.seed,
                facts=given.facts,
            )
            self.members = training.members
            snapshots = self._open({"seed": given.seed, "way": "together"})
            if take_up(snapshots, training, say) and (leader := training.leader):
                for record in leader.history:
                    on_epoch(record)
            done = training.epoch - 1
            with progress(given.section.epochs, done, on_epoch, say) as listener:
                training.run(listener, snapshots)
            self.minutes += training.clock.minutes
            if any(member.has_diverged for member in self.members):
                snapshots.save(training.state())  # the others need not be trained again

    def _alone(self, seed: int, say: Say) -> Member:
        given = self.material
        network = given.build(seed)
        training = Training(
            network,
            given.train,
            given.valid,
            self._in_time(),
            task=given.spec.task,
            seed=seed,
            facts=given.facts,
        )
        snapshots = self._open({"seed": seed, "way": "alone"})
        if take_up(snapshots, training, say) and training.history:
            say(f"seed {seed} goes on after epoch {len(training.history)}")
        member = Member(seed, network, training.session.random, training.best, training.history)
        self.members.append(member)
        done = len(training.history)
        with progress(given.section.epochs, done, lambda record: None, say, f"seed {seed}") as bar:
            result = training.run(bar, snapshots)
        snapshots.save(training.state())  # a later run takes the finished seed from there
        self.minutes += training.clock.minutes
        # The network has the best weights by now; a copy of each seed's would only take memory.
        member.best = dataclasses.replace(training.best, weights={})
        member.reason = result.reason
        return member

    def _in_time(self) -> TrainSection:
        """The section, with what is left of the time budget for each of the seeds that are left."""
        section = self.material.section
        stopping = section.early_stopping
        if stopping is None or stopping.time_minutes is None:
            return section
        n_left = self.restarts.seeds - len(self.members)
        minutes = max((stopping.time_minutes - self.minutes) / n_left, _LEAST_MINUTES)
        stopping = dataclasses.replace(stopping, time_minutes=minutes)
        return dataclasses.replace(section, early_stopping=stopping)

    def _open(self, facts: dict[str, Any]) -> Snapshots:
        self.used.append(self.open_snapshots(facts))
        return self.used[-1]

    def _value(self, member: Member) -> float:
        kept = member.history[member.best.epoch - 1]
        return kept.monitored(self.material.section.monitored)

    def kept(self) -> Kept:
        """The best of the members, or all of them as one; of those that have finished an epoch."""
        spec = self.material.spec
        found = [member for member in self.members if member.best.epoch]
        best = min(found, key=self._value)
        about: dict[str, Any] = {"seeds": {str(m.seed): self._value(m) for m in found}}
        if self.restarts.keep == "best":
            return Kept(best.network, spec, best.result, {**about, "kept_seed": best.seed})
        network, together = as_ensemble([member.network for member in found], spec)
        return Kept(network, together, best.result, about)

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

    What they share is the cost of calling; large products of one network are quicker than theirs
    together, which need more memory than the processor's caches have.
    """
    if (
        section.optimizer.name not in STACKABLE
        or choose_device(section.device).type != "cpu"
        or train.is_streamed
    ):
        return False
    operations = 3 * section.batch_size * count_operations(network, tuple(train.x.shape[1:]))
    return operations < OPERATIONS_TOGETHER


def as_ensemble(networks: Sequence[nn.Module], spec: NetworkSpec) -> tuple[Ensemble, NetworkSpec]:
    """The networks as the members of one that averages their answers, and its spec."""
    mean = "outputs" if spec.classes is None else "probabilities"
    if read_link(spec.link).name == "log":
        mean = "exponentials"  # the outputs are logs; what is averaged is the prediction
    options = {
        "member": spec.network,
        "member_options": dict(spec.options),
        "members": len(networks),
        "mean": mean,
    }
    together = dataclasses.replace(spec, network="ensemble", options=options)
    ensemble = together.build()
    assert isinstance(ensemble, Ensemble)
    for place, network in zip(ensemble.members, networks, strict=True):
        place.load_state_dict(network.state_dict())
    return ensemble.eval(), together
