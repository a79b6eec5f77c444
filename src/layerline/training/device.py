"""Threads, determinism, device and precision: what of the machine can change bytes."""

import contextlib

import torch

from layerline.errors import ParamsError, Problem


def prepare_torch(seed: int, threads: int) -> None:
    """Fix what torch lets vary: the seed, the number of threads, the choice of algorithms.

    One and two threads give different sums, so `threads` is part of the promise of equal bytes.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        # On the CPU our operations are deterministic as they are (a test compares bytes), and the
        # call imports torch's compiler: 1.3 s for each start of a stage.
        torch.use_deterministic_algorithms(True)


def choose_device(asked: str) -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ParamsError: the device asked for is not there.
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
        message = f"{asked!r} is not there: this machine or this build of torch has none; use auto"
        raise ParamsError([Problem("train.device", message)])
    return torch.device(chosen)


def choose_precision(asked: str, device: torch.device) -> torch.dtype:
    """`auto` takes bfloat16 where the hardware multiplies matrices in it natively."""
    if asked == "auto":
        native = device.type == "cuda" or (
            device.type == "cpu" and torch.cpu._is_amx_tile_supported()
        )
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if asked == "bfloat16" else torch.float32


def autocast(
    device: torch.device, precision: torch.dtype
) -> contextlib.AbstractContextManager[None]:
    """Run matrix products in `precision`; a no-op for float32."""
    if precision == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=precision)
