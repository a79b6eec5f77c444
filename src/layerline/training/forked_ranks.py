"""Members shared with forks of this process, one for each idle core, joined to it by pipes.

A fork has the rows and the setup already, so it starts within milliseconds and needs no network.
It trains whole members (ranked_members), so the bytes are those of one process.
"""

import contextlib
import ctypes
import dataclasses
import itertools
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeVar

from layerline.errors import LayerlineError
from layerline.kernels.ranks import ALONE, Ranks
from layerline.process import usable_cores
from layerline.training.device import choose_device
from layerline.training.rank_group import unrankable
from layerline.training.setup import TrainingSetup

T = TypeVar("T")
_PR_SET_PDEATHSIG = 1


@dataclasses.dataclass(frozen=True)
class PipedRanks(Ranks):
    """Processes of this machine: the first has a pipe to each other one, the others to it."""

    pipes: tuple[Connection, ...] = dataclasses.field(default=(), repr=False, compare=False)

    def of_first(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, on every rank."""
        if self.rank:
            value: T = _receive(self.pipes[0])
            return value
        made = make()
        for pipe in self.pipes:
            _send(pipe, made)
        return made

    def to_first(self, value: T) -> list[T]:
        """Every rank's value, in their order, on rank 0; nothing on the others."""
        if self.rank:
            _send(self.pipes[0], value)
            return []
        return [value, *(_receive(pipe) for pipe in self.pipes)]

    def of_each(self, value: T) -> list[T]:
        """Every rank's value, in their order."""
        values = self.to_first(value)
        return self.of_first(lambda: values)


def n_useful(setup: TrainingSetup, n_groups: int) -> int:
    """How many processes may share a training: one for each core, and no more than there is work.

    Args:
        setup: of this process alone.
        n_groups: members, or stacks of members, that train by themselves.
    """
    section = setup.section
    is_free = section.distributed == "auto" and not any(unrankable(section))
    is_free &= setup.threads == 1 and choose_device(section.device).type == "cpu"
    if (
        not is_free or sys.platform != "linux"
    ):  # elsewhere no fork may go on with libraries' threads
        return 1
    return min(usable_cores(), n_groups)


@contextlib.contextmanager
def forked_ranks(size: int, work: Callable[[Ranks], object]) -> Iterator[Ranks]:
    """Run `work` in `size - 1` forks while the block runs here, as rank 0.

    They end with this process, whichever way it ends, and with the block. A machine that allows
    no more processes leaves the block alone.

    Raises:
        LayerlineError: in the block, where a fork is gone, or what a fork's work raised.
    """
    parent, pipes = os.getpid(), [Pipe() for _ in range(size - 1)]
    children: list[int] = []
    try:
        for number, (_, far) in enumerate(pipes, start=1):
            child = os.fork()
            if child == 0:
                for end in itertools.chain(*pipes):
                    if end is not far:
                        end.close()
                _work_beside(parent, PipedRanks(number, size, (far,)), work)
            children.append(child)
        ranks: Ranks = PipedRanks(0, size, tuple(near for near, _ in pipes))
    except OSError:
        _end(children)
        ranks = ALONE
    for _, far in pipes:
        far.close()
    try:
        yield ranks
    finally:
        _end(children)
        for near, _ in pipes:
            near.close()


def _end(children: list[int]) -> None:
    """End the forks; what they had to give has been received."""
    while children:
        child = children.pop()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _work_beside(parent: int, ranks: PipedRanks, work: Callable[[Ranks], object]) -> NoReturn:
    """The whole life of a fork; its parent reports what it raises."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and ends its forks
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            work(ranks)
        code = 0
    except LayerlineError as error:
        with contextlib.suppress(LayerlineError):
            _send(ranks.pipes[0], _Raised(str(error), error.exit_code))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


@dataclasses.dataclass(frozen=True)
class _Raised:
    """What a fork sends instead of a value."""

    message: str
    exit_code: int

    def error(self) -> LayerlineError:
        """The same for the parent: errors are not built from their text."""
        error = LayerlineError(self.message)
        error.exit_code = self.exit_code
        return error


def _send(pipe: Connection, value: object) -> None:
    try:
        pipe.send_bytes(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    except OSError:
        raise _gone() from None


def _receive(pipe: Connection) -> Any:
    try:
        value = pickle.loads(pipe.recv_bytes())  # noqa: S301 - of a fork of this process
    except (EOFError, OSError):
        raise _gone() from None
    if isinstance(value, _Raised):
        raise value.error()
    return value


def _gone() -> LayerlineError:
    return LayerlineError(
        "a process that trains some of the members is gone; is memory short? The next run resumes "
        "from the last snapshot; train.distributed: {processes: 1} trains them in one process"
    )
