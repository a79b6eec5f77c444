"""One switch for all kernels: LAYERLINE_KERNELS=torch runs PyTorch's own operations instead.

Results agree to rounding. Use it to find out whether a kernel causes a difference. `without` turns
single kernels off in a block, for tests and benchmarks. To add a kernel: its name in KERNELS, and a
question to `is_on` where it would run.
"""

import contextlib
import functools
import os
from collections.abc import Iterator

from layerline.errors import ParamsError, Problem

VARIABLE = "LAYERLINE_KERNELS"
KERNELS = frozenset(
    {
        "batch_norm",
        "bin_tables",
        "chain",
        "cross_entropy",
        "cuda_graphs",
        "dropout",
        "linear",
        "numpy_network",  # serving: a network as numpy products
        "optimizer_step",
        "pixel_groups",
        "pixel_tables",
        "row_type",
        "waves",
    }
)

_off: set[str] = set()


def is_on(kernel: str) -> bool:
    """Whether the hand-written kernel of that name may run.

    Raises:
        ParamsError: the environment variable has an unknown value.
    """
    return kernel in _on() and kernel not in _off


@contextlib.contextmanager
def without(*kernels: str) -> Iterator[None]:
    """Turn these kernels off in the block; all of them if none is named."""
    added = set(kernels or KERNELS) - _off
    unknown = added - KERNELS
    if unknown:
        raise ValueError(f"unknown kernels: {', '.join(sorted(unknown))}")
    _off.update(added)
    try:
        yield
    finally:
        _off.difference_update(added)


@functools.cache
def _on() -> frozenset[str]:
    value = os.environ.get(VARIABLE, "own")
    if value not in ("own", "torch"):
        message = f"must be own (the default) or torch (no hand-written kernels), got {value!r}"
        raise ParamsError([Problem(VARIABLE, message)])
    return KERNELS if value == "own" else frozenset()
