"""A network's outputs for many rows, in evaluation mode."""

import torch
from torch import Tensor, nn

from layerline.training.device import autocast

PREDICT_BATCH = 8192


@torch.inference_mode()
def predict(network: nn.Module, x: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """Outputs (B, O) float32 in evaluation mode, computed in chunks of rows."""
    network.eval()
    device = next(network.parameters()).device
    with autocast(device, precision):
        return torch.cat([network(chunk.to(device)).float() for chunk in x.split(PREDICT_BATCH)])
