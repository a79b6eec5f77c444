"""A recorded forward pass: each layer's inputs and outputs, and which units are silent.

>>> from layerline.networks.seven_layer import SevenLayer
>>> network = SevenLayer(input_shape=(4,), d_out=3)
>>> [layer.pre_activation.shape[1] for layer in trace(network, torch.ones(2, 4))]
[128, 96, 64, 48, 32, 24, 3]
"""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from layerline.networks.activations import is_activation


@dataclasses.dataclass(frozen=True)
class LayerTrace:
    """One layer on the given rows: `pre_activation` and `activation`, (B, width) each.

    For convolutions they are (B, channels, H, W), and a unit is a channel. The output layer has no
    activation: both are the network's outputs.
    """

    name: str
    pre_activation: Tensor
    activation: Tensor
    is_output: bool = False

    @property
    def silent(self) -> Tensor:
        """As `activation`, bool: whether it is zero for that row; outputs are never silent."""
        if self.is_output:
            return torch.zeros_like(self.activation, dtype=torch.bool)
        return self.activation == 0

    @property
    def dead_units(self) -> tuple[int, ...]:
        """The units that are zero for every given row: they carry no signal and learn nothing."""
        silent = self.silent
        by_unit = silent.movedim(1 if silent.ndim == 4 else -1, 0).flatten(1)
        return tuple(by_unit.all(1).nonzero().flatten().tolist())


def trace(network: nn.Module, x: Tensor) -> tuple[LayerTrace, ...]:
    """Run the rows x (B, ...) through the network in evaluation mode and return every layer.

    A layer is an activation of `layerline.networks.activations` with what goes into it (after
    the norm, where there is one), and the output. The network is left unchanged.

    Raises:
        ValueError: x is empty.
    """
    if len(x) == 0:
        raise ValueError("a trace needs at least one row, got none")
    layers: list[LayerTrace] = []
    inputs_of: dict[nn.Module, Tensor] = {}

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs_of[module] = inputs[0].detach().clone()  # some activations work in place

    def after(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            layers.append(LayerTrace(name, inputs_of.pop(module), output.detach().clone()))

        return hook

    hooks = []
    for name, module in network.named_modules():
        if is_activation(module):
            hooks.append(module.register_forward_pre_hook(before))
            hooks.append(module.register_forward_hook(after(name)))
    was_training = network.training
    try:
        # With a gradient for x no kernel bypasses the modules.
        with torch.enable_grad():
            outputs = network.eval()(x.clone().requires_grad_()).detach()
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return (*layers, LayerTrace("head", outputs, outputs, is_output=True))
