"""Steps recorded once as a CUDA graph and replayed: one launch instead of some sixty.

A step of a small network keeps a GPU busy for less time than Python needs to launch its kernels. A
graph holds the kernels of a whole step, from taking the rows to the new weights, with the addresses
they read and write; what differs from step to step, row positions and rates, is written to fixed
addresses before each replay.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

WARM_UP_STEPS = 3  # libraries choose algorithms and take workspaces in a first step
MOST_GRAPHS = 4  # batches of an epoch have two sizes; growing batches make more

TakeStep = Callable[[Sequence[Tensor]], Tensor]


@dataclasses.dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    positions: tuple[Tensor, ...]  # read by the graph
    loss: Tensor  # written by the graph, as the gradients are
    gradients: tuple[Tensor | None, ...]


class StepGraphs:
    """Replays the steps of one network and optimizer; each batch size has its graph."""

    def __init__(self, network: nn.Module, optimizer: Optimizer) -> None:
        self.network, self.optimizer = network, optimizer
        self._parameters = list(network.parameters())
        device = self._parameters[0].device
        self._rates = [torch.zeros((), device=device) for _ in optimizer.param_groups]
        self._written: list[float] = []
        self._recorded: dict[tuple[int, ...], _Recorded] = {}
        self._last: _Recorded | None = None

    def forget(self) -> None:
        """Record again: the optimizer has new tensors."""
        self._recorded.clear()
        self._last = None

    def take(self, step: TakeStep, batches: Sequence[Tensor]) -> Tensor:
        """One step with the rates of the optimizer's groups; `step` is recorded if it is new."""
        self._write_rates()
        sizes = tuple(map(len, batches))
        recorded = self._recorded.get(sizes)
        if recorded is None:
            recorded = self._record(step, batches)
            if len(self._recorded) == MOST_GRAPHS:
                del self._recorded[next(iter(self._recorded))]
            self._recorded[sizes] = recorded
        for place, batch in zip(recorded.positions, batches, strict=True):
            place.copy_(batch)
        if recorded is not self._last:
            for parameter, gradient in zip(self._parameters, recorded.gradients, strict=True):
                parameter.grad = gradient
            self._last = recorded
        recorded.graph.replay()
        return recorded.loss.clone()  # the next replay overwrites it

    def _write_rates(self) -> None:
        rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        if rates != self._written:
            for place, rate in zip(self._rates, rates, strict=True):
                place.fill_(rate)
            self._written = rates

    def _record(self, step: TakeStep, batches: Sequence[Tensor]) -> _Recorded:
        positions = tuple(batch.clone() for batch in batches)
        with self._rates_from_tensors():
            with self._state_restored():
                _warm_up(lambda: step(positions))
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                loss = step(positions)
        gradients = tuple(parameter.grad for parameter in self._parameters)
        return _Recorded(graph, positions, loss, gradients)

    @contextlib.contextmanager
    def _rates_from_tensors(self) -> Iterator[None]:
        """In the block the optimizer reads its rates on the device, as a graph must."""
        groups = self.optimizer.param_groups
        plain = [group["lr"] for group in groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"] = rate
            if "capturable" in group:
                group["capturable"] = True
        try:
            yield
        finally:
            for group, rate in zip(groups, plain, strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = False

    @contextlib.contextmanager
    def _state_restored(self) -> Iterator[None]:
        """Undo what steps in the block do to weights, optimizer and random numbers."""
        weights = [(item, item.clone()) for item in self.network.state_dict().values()]
        before = {id(item): item.clone() for item in self._optimizer_tensors()}
        random = torch.cuda.get_rng_state()
        yield
        torch.cuda.set_rng_state(random)
        with torch.no_grad():
            for item, saved in weights:
                item.copy_(saved)
            for item in self._optimizer_tensors():
                saved = before.get(id(item))
                # Moments and step counts start as zeros.
                item.zero_() if saved is None else item.copy_(saved)

    def _optimizer_tensors(self) -> Iterator[Tensor]:
        for state in self.optimizer.state.values():
            yield from (item for item in state.values() if isinstance(item, Tensor))


def _warm_up(step: Callable[[], Tensor]) -> None:
    """On a separate stream, as torch requires before recording."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
