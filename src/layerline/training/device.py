"""Threads, determinism, device and precision: what of the machine can change bytes."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from layerline.config import TrainSection
from layerline.errors import ParamsError, Problem
from layerline.kernels.pixels import PixelsToHidden
from layerline.process import keep_freed_memory, usable_cores
from layerline.training.objectives import ALL_NUMBERS
from layerline.training.optimizers import takes_all_rows

# Below this, waking a second thread costs more than it does: measured with MLPs, forward, backward
# and AdamW; two threads win from 80 million operations a step on, with AVX-512 from 200 million.
_OPERATIONS_WORTH_THREADS = 150e6
_MOST_THREADS = 8

# Below this, casting to bfloat16 costs more than its products save: measured with MLPs on a CPU
# with AVX512_BF16, where from 50 million operations a step on it wins, twice at 200 million.
_OPERATIONS_WORTH_BFLOAT16 = 50e6


# torch's words where it has no class for it: on a CPU, on Apple's GPUs.
_OUT_OF_MEMORY = ("allocate memory", "not enough memory", "out of memory")


def choose_threads(
    asked: int | Literal["auto"],
    network: nn.Module,
    shape: tuple[int, ...],
    batch_size: int,
    n_processes: int = 1,
) -> int:
    """The number asked for; `auto` takes one for small networks, else one a core, at most 8.

    The machine's cores are shared by `n_processes`.
    """
    if asked != "auto":
        return asked
    operations = 3 * batch_size * count_operations(network, shape)  # backward is two forwards
    if operations < _OPERATIONS_WORTH_THREADS:
        return 1
    return max(1, min(usable_cores() // n_processes, _MOST_THREADS))


@torch.no_grad()
def count_operations(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiplications and additions of one row's forward pass, in the layers that hold matrices."""
    counts: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # Its whole weight, at every place of a row where it is applied.
        width = output.shape[1 if isinstance(module, convolving) else -1]
        assert isinstance(module.weight, Tensor)
        counts.append(2 * module.weight.numel() * (output[0].numel() // width))

    convolving = (nn.Conv1d, nn.Conv2d)
    kinds = (nn.Linear, PixelsToHidden, *convolving)
    layers = [module for module in network.modules() if isinstance(module, kinds)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    was_training = network.training
    network.eval()(torch.zeros(1, *shape))
    network.train(was_training)
    for handle in handles:
        handle.remove()
    recurrent = (m for m in network.modules() if isinstance(m, nn.RNNBase))
    steps = shape[-2] if len(shape) > 1 else 1
    return sum(counts) + sum(2 * steps * p.numel() for m in recurrent for p in m.parameters())


def prepare_torch(seed: int, threads: int) -> None:
    """Fix what torch lets vary: the seed, the number of threads, the choice of algorithms.

    One and two threads give different sums, so `threads` is part of the promise of equal bytes.
    """
    keep_freed_memory()
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        # On the CPU our operations are deterministic as they are (a test compares bytes), and the
        # call imports torch's compiler: 1.3 s for each start of a stage.
        torch.use_deterministic_algorithms(True)
        # Nothing here reads memory before it is written; filling it first is a kernel each time.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's generators that a network on `device` draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_state(states: Mapping[str, Tensor]) -> None:
    """Put the generators where `random_state` found them."""
    put = {
        "cpu": torch.set_rng_state,
        "cuda": torch.cuda.set_rng_state,
        "mps": torch.mps.set_rng_state,
    }
    for device, state in states.items():
        put[device](state)


def choose_device(asked: str) -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ParamsError: the device asked for is missing.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    chosen = next(name for name, is_there in there.items() if is_there)
    if asked != "auto":
        chosen = asked
    if not there[chosen]:
        message = f"{asked!r} is missing: this machine or this build of torch has none; use auto"
        raise ParamsError([Problem("train.device", message)])
    return torch.device(chosen)


@contextlib.contextmanager
def torch_restored() -> Iterator[None]:
    """After the block, torch's threads, generators and algorithms are what they were before."""
    threads, states = torch.get_num_threads(), random_state(choose_device("auto"))
    is_deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        set_random_state(states)
        if torch.are_deterministic_algorithms_enabled() != is_deterministic:
            torch.use_deterministic_algorithms(is_deterministic)


@contextlib.contextmanager
def enough_memory(section: TrainSection) -> Iterator[None]:
    """In the block, report memory that runs out with what to do about it.

    Raises:
        ParamsError: an allocation failed.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_short = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not is_short and not any(words in str(error) for words in _OUT_OF_MEMORY):
            raise
        what = str(error).strip().splitlines()[0] if str(error) else "an allocation failed"
        if takes_all_rows(section):
            remedy = "train.optimizer", "it takes all rows at once; use adamw"
        else:
            lower = f"lower it from {section.batch_size:,} and raise train.accumulate as much"
            remedy = "train.batch_size", f"{lower}, or use a smaller network"
        problem = Problem(remedy[0], f"out of memory ({what}); {remedy[1]}")
        raise ParamsError([problem]) from error


def settle_precision(
    section: TrainSection, network: nn.Module, shape: tuple[int, ...], task: str
) -> TrainSection:
    """The section with what `precision: auto` means for this network, task and machine.

    That is bfloat16 where the hardware multiplies matrices in it natively, the products of a step
    are large enough to pay for the casts, and the targets are classes: numbers deserve more than
    three digits. A line search compares losses that differ by less. `network` is on the CPU.

    Raises:
        ParamsError: the device asked for is missing.
    """
    if section.precision != "auto":
        return section
    operations = 3 * section.batch_size * count_operations(network, shape)
    pays = operations >= _OPERATIONS_WORTH_BFLOAT16 and task not in ALL_NUMBERS
    if pays and not takes_all_rows(section) and multiplies_bfloat16(choose_device(section.device)):
        return dataclasses.replace(section, precision="bfloat16")
    return dataclasses.replace(section, precision="float32")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself: CUDA, a CPU with AMX or AVX512_BF16."""
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def dtype_of(section: TrainSection) -> torch.dtype:
    """What products are computed in; the precision is settled."""
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[section.precision]


def autocast(
    device: torch.device, precision: torch.dtype
) -> contextlib.AbstractContextManager[None]:
    """Run matrix products in `precision`; a no-op for float32."""
    if precision == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=precision)
