"""A network's outputs for many rows, in evaluation mode."""

import torch
from torch import Tensor, nn

from layerline.training.device import autocast

PREDICT_BATCH = 8192
_CPU_BATCH = 2048  # hidden layers of so many rows stay in a core's cache; divides PREDICT_BATCH
_LARGEST_ACTIVATION = 2**28  # bytes, on a CPU; four times as many on a GPU
_FEW = 32  # images; a served request need not pay for a look at the layers


@torch.inference_mode()
def predict(network: nn.Module, x: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """Outputs (B, O) float32 in evaluation mode, computed in chunks of rows."""
    network.eval()
    device = next(network.parameters()).device
    with autocast(device, precision):
        chunks = x.split(rows_at_once(network, x))
        return torch.cat([network(chunk.to(device)).float() for chunk in chunks])


def rows_at_once(network: nn.Module, x: Tensor) -> int:
    """How many of the rows `x` (B, ...) pass the network, in evaluation mode, at a time.

    A power of two. Rows of a table are small; of images the widest layer's output decides.
    """
    device = next(network.parameters()).device
    on_cpu = device.type == "cpu"
    most = _CPU_BATCH if on_cpu else PREDICT_BATCH
    if x.ndim <= 2 or len(x) <= _FEW:
        return most
    n_bytes = _widest(network, x[:1].to(device)) * x.element_size()
    limit = _LARGEST_ACTIVATION if on_cpu else 4 * _LARGEST_ACTIVATION
    fitting = max(1, limit // n_bytes)
    return min(most, 1 << (fitting.bit_length() - 1))


@torch.inference_mode()
def _widest(network: nn.Module, row: Tensor) -> int:
    """The most numbers that one layer makes of one row."""
    widths = [row.numel()]

    def look(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            widths.append(output.numel())

    layers = [module for module in network.modules() if not list(module.children())]
    handles = [layer.register_forward_hook(look) for layer in layers]
    try:
        network.eval()(row.float())
    finally:
        for handle in handles:
            handle.remove()
    return max(widths)
