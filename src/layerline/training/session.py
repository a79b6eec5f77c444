"""A training step, and all of the state that the next one needs."""

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from layerline.kernels.chain import ChainedNetwork, chain_network
from layerline.kernels.cuda_graphs import StepGraphs
from layerline.training.augmentation import Augment
from layerline.training.device import autocast, random_state, set_random_state
from layerline.training.early_stopping import BestWeights
from layerline.training.fine_tuning import FineTuning
from layerline.training.inference import predict
from layerline.training.objectives import Link, Loss, value_and_gradient
from layerline.training.optimizers import Step
from layerline.training.prefetch import Source
from layerline.training.schedules import Adaptive, Cooldown, Schedule
from layerline.training.weight_averaging import WeightAverage

T = TypeVar("T")


@dataclasses.dataclass
class Session:
    """What takes steps: `n_steps` in the whole training, of which `step` are done.

    `orders` hold the generator of the order of rows and of the augmentations, one for each member:
    here a single one. Dropout draws from torch's own generator.
    """

    network: nn.Module
    optimizer: Optimizer
    take_step: Step
    schedule: Schedule
    loss: Loss
    link: Link
    precision: torch.dtype
    clip_norm: float | None
    n_steps: int
    orders: Sequence[torch.Generator]
    augment: Augment | None = None
    average: WeightAverage | None = None
    full_batch: bool = False
    fine_tuning: FineTuning | None = None
    graphs: StepGraphs | None = None
    chained: ChainedNetwork | None = None
    step: int = 0
    rate_factor: float = 1.0  # lowered after an epoch that diverged
    cooldown: Cooldown | None = None  # since patience was over
    score: Callable[[Tensor, Tensor], float] | None = None  # what is monitored, if not the loss
    has_own_rates: bool = False  # the optimizer has as many groups for each member
    unclipped: Tensor | None = None  # the norm of the gradient, where it is clipped
    base_rates: tuple[float, ...] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.base_rates = tuple(group["lr"] for group in self.optimizer.param_groups)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The network has the averaged weights in the block, when there is an average."""
        if self.average is None:
            yield
        else:
            with self.average.in_place():
                yield

    @property
    def learning_rates(self) -> list[float]:
        """Each member's rate in the last step."""
        groups, n_members = self.optimizer.param_groups, len(self.orders)
        step = len(groups) // n_members if self.has_own_rates else 0
        return [float(groups[step * place]["lr"]) for place in range(n_members)]

    def begin_epoch(self, epoch: int) -> None:
        """Training mode; with `fine_tuning`, only what learns in this epoch (from 1) learns."""
        self.network.train()
        if self.fine_tuning is not None:
            self.fine_tuning.begin_epoch(self.network, epoch)
        if self.chained is None or self.fine_tuning is not None:
            self.chained = chain_network(self.network, self.precision)

    def take(self, train: Source, batches: Sequence[Tensor]) -> Tensor:
        """One step over the rows of all `batches`, (B,) positions each; returns their mean loss."""
        factor = self.schedule((self.step + 0.5) / self.n_steps) * self.rate_factor
        if self.cooldown is not None:
            factor *= self.cooldown(self.step)
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * factor
        if self.full_batch:
            loss = self._step_with_closure(train, batches[0])
        elif self.graphs is not None:
            loss = self.graphs.take(lambda positions: self._step(train, positions), batches)
        else:
            loss = self._step(train, batches)
        self.step += 1
        if self.average is not None:
            self.average.update()
        return loss

    def _step(self, train: Source, batches: Sequence[Tensor]) -> Tensor:
        for group in self.optimizer.param_groups:  # what zero_grad does, without its hooks
            for parameter in group["params"]:
                parameter.grad = None
        loss = self._gradients(train, batches)
        if self.fine_tuning is not None:
            self.fine_tuning.add_pull(self.network)
        if self.clip_norm is not None:
            self._clip(self.clip_norm)
        self.take_step()
        return loss

    def _gradients(self, train: Source, batches: Sequence[Tensor]) -> Tensor:
        if len(batches) == 1:
            return self._backward(*self.rows(train, batches[0]))
        n_rows = sum(map(len, batches))
        parts = [self._backward(*self.rows(train, b), len(b) / n_rows) for b in batches]
        return torch.stack(parts).sum(0)

    def taken(self, batch: Tensor) -> Tensor:
        """The positions that this process takes rows from."""
        return batch

    def rows(self, train: Source, batch: Tensor) -> tuple[Tensor, Tensor]:
        """What a step is computed from: the rows at the positions `batch`, augmented."""
        x, y = train.take(self.taken(batch))
        return (x, y) if self.augment is None else self.augment(x, y, self.orders[0])

    def _backward(self, x: Tensor, y: Tensor, share: float = 1.0) -> Tensor:
        """Add the gradients of `share` times the mean loss of a batch; returns that, detached."""
        if self.chained is not None:
            return self.chained.backward(x, y, partial(value_and_gradient, self.loss), share)
        with autocast(x.device, self.precision):
            outputs = self.network(x)
        loss = self.loss(outputs.float(), y)
        if share != 1:
            loss = loss * share
        loss.backward()
        return loss.detach()

    def _clip(self, norm: float) -> None:
        found = torch.nn.utils.clip_grad_norm_(self.network.parameters(), norm)
        if self.unclipped is None:
            self.unclipped = torch.empty_like(found)
        self.unclipped.copy_(found)  # in place: a recorded step writes there too

    def predict(self, x: Tensor) -> Tensor:
        """(R, N, O) outputs of each member for the rows `x`, in evaluation mode."""
        return predict(self.network, x, self.precision).unsqueeze(0)

    def agreed(self, found: T) -> T:
        """What is decided by, the same in every process that trains."""
        return found

    def gradient_norm(self) -> Tensor:
        """The norm of the last step's gradient, before clipping."""
        if self.unclipped is not None:
            return self.unclipped
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients)

    def _step_with_closure(self, train: Source, batch: Tensor) -> Tensor:
        """Let the optimizer look at the same rows and masks several times."""
        (x, y), drawn = self.rows(train, batch), random_state(self.device)
        losses: list[Tensor] = []

        def closure() -> Tensor:
            set_random_state(drawn)
            self.optimizer.zero_grad(set_to_none=True)
            losses.append(self._backward(x, y))
            return losses[-1]

        self.take_step(closure)
        return losses[0]

    def cool_down(self, best: BestWeights, cooldown: Cooldown) -> None:
        """Go back to these weights; from the next step on the rates fall."""
        best.restore(self.network)
        if self.average is not None:
            self.average.restart()
        self.cooldown = cooldown

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, nested; the next step writes into the tensors."""
        adaptive = self.schedule.state() if isinstance(self.schedule, Adaptive) else None
        return {
            "network": dict(self.network.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "schedule": adaptive,
            "average": self.average.state() if self.average else None,
            "orders": [generator.get_state() for generator in self.orders],
            "dropout": random_state(self.device),
            "step": self.step,
            "rate_factor": self.rate_factor,
            "cooldown": None if self.cooldown is None else dataclasses.asdict(self.cooldown),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Resume from a `state()`; its tensors are copied."""
        self.network.load_state_dict(state["network"])
        # torch's optimizers write into the tensors they load; a state may be needed twice.
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        if self.graphs is not None:
            self.graphs.forget()
        if isinstance(self.schedule, Adaptive):
            self.schedule.restore(state["schedule"])
        if self.average is not None:
            self.average.load(*state["average"])
        for generator, kept in zip(self.orders, state["orders"], strict=True):
            generator.set_state(kept)
        set_random_state(state["dropout"])
        self.step, self.rate_factor = state["step"], state["rate_factor"]
        cooldown = state["cooldown"]
        self.cooldown = None if cooldown is None else Cooldown(**cooldown)
