"""A network's outputs for many rows, in evaluation mode."""

import torch
from torch import Tensor, nn

from layerline.training.device import autocast

PREDICT_BATCH = 8192
_CPU_BATCH = 2048  # hidden layers of so many rows stay in a core's cache; divides PREDICT_BATCH


@torch.inference_mode()
def predict(network: nn.Module, x: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """Outputs (B, O) float32 in evaluation mode, computed in chunks of rows."""
    network.eval()
    device = next(network.parameters()).device
    n_rows = _CPU_BATCH if device.type == "cpu" else PREDICT_BATCH
    with autocast(device, precision):
        return torch.cat([network(chunk.to(device)).float() for chunk in x.split(n_rows)])
