"""Any classification network of torchvision, by name: `torchvision:resnet18`.

Its first convolution is fitted to the images' channels and its head to the outputs; nothing else
changes. Weights are drawn again. To offer another option of torchvision's builders: its name in
OPTIONS.
"""

import difflib
import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from layerline.errors import ParamsError, Problem
from layerline.networks.blocks import Probability
from layerline.vision import torchvision_models

PREFIX = "torchvision:"

# The options each family's builders take; null means torchvision's own value.
OPTIONS: dict[str, tuple[str, ...]] = {
    "alexnet": ("dropout",),
    "convnext": ("stochastic_depth_prob",),
    "densenet": ("drop_rate",),
    "efficientnet": ("dropout", "stochastic_depth_prob"),
    "googlenet": ("dropout",),
    "inception": ("dropout",),
    "mnasnet": ("dropout",),
    "mobilenet": ("dropout",),
    "squeezenet": ("dropout",),
    "swin": ("dropout", "attention_dropout"),
    "vgg": ("dropout",),
    "vit": ("dropout", "attention_dropout"),
}
SIDES = (32, 48, 64, 75, 96, 128, 160, 192, 224, 299)  # tried to find a size that works

_WRONG_SIZE = (RuntimeError, ValueError, AssertionError)  # depending on the network

Builder = Callable[..., nn.Module]


def torchvision_builder(name: str) -> Builder:
    """The builder of `name`; its signature has the options that torchvision's own builder takes.

    Raises:
        ParamsError: torchvision has no classification network of that name.
    """
    models = torchvision_models()
    names = models.list_models(module=models)
    if name not in names:
        near = ", ".join(difflib.get_close_matches(name, names, n=5, cutoff=0.3)) or "resnet18"
        message = f"torchvision has no classification network {name!r}; near names: {near}"
        raise ParamsError([Problem("train.network", message)])

    def build(*, input_shape: tuple[int, ...], d_out: int | None, **options: Any) -> nn.Module:
        given = {option: value for option, value in options.items() if value is not None}
        try:
            network = _build(name, input_shape, d_out, given)
            _check_shapes(network, input_shape)
        except _WRONG_SIZE as error:
            reason, side = str(error).splitlines()[0], _working_side(name, input_shape)
            raise ParamsError([_wrong_size(name, input_shape, reason, side)]) from None
        return network

    build.__signature__ = _signature(name)  # type: ignore[attr-defined]
    return build


def _signature(name: str) -> inspect.Signature:
    options = next((found for family, found in OPTIONS.items() if name.startswith(family)), ())
    keyword = functools.partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
    rates = [keyword(name, default=None, annotation=Probability | None) for name in options]
    return inspect.Signature([keyword("input_shape"), keyword("d_out"), *rates])


def _build(
    name: str, input_shape: tuple[int, ...], d_out: int | None, options: dict[str, Any]
) -> nn.Module:
    channels, height, width = input_shape
    fixed: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        fixed = {"aux_logits": False, "init_weights": True}  # auxiliary heads return tuples
    elif name.startswith("vit"):
        if height != width:
            raise ValueError("a vision transformer of torchvision reads square images")
        fixed = {"image_size": height}
    elif name.startswith("maxvit"):
        fixed = {"input_size": (height, width)}
    network: nn.Module = torchvision_models().get_model(
        name, weights=None, num_classes=d_out or 1, **fixed, **options
    )
    fit_input(network, channels)
    fit_head(network, d_out)
    for path, module in list(network.named_modules()):
        is_mean = getattr(module, "output_size", None) in (1, (1, 1))  # already deterministic
        if type(module) is nn.AdaptiveAvgPool2d and not is_mean:
            network.set_submodule(path, AveragePool(module.output_size))
    return network


class AveragePool(nn.AdaptiveAvgPool2d):
    """torch's; on CUDA as products with two matrices, since its gradients there vary by run.

    Shape: (B, C, H, W) -> (B, C, *output_size).
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.by_products(x) if x.is_cuda else super().forward(x)

    def by_products(self, x: Tensor) -> Tensor:
        """The means, in float32 as torch takes them."""
        size = self.output_size
        height, width = size if isinstance(size, tuple) else (size, size)
        with torch.autocast(x.device.type, enabled=False):
            down = _averaging(x.shape[-2], height, x.device)
            along = _averaging(x.shape[-1], width, x.device)
            return (down @ x.float() @ along.T).to(x.dtype)


@functools.cache
def _averaging(n_in: int, n_out: int | None, device: torch.device) -> Tensor:
    """(n_out, n_in): row i is the mean of the i-th of n_out windows, which may overlap."""
    if n_out is None:
        return torch.eye(n_in, device=device)
    matrix = torch.zeros(n_out, n_in)
    for i in range(n_out):
        start, end = i * n_in // n_out, -((i + 1) * n_in // -n_out)
        matrix[i, start:end] = 1 / (end - start)
    return matrix.to(device)


def _wrong_size(name: str, input_shape: tuple[int, ...], reason: str, side: int | None) -> Problem:
    _, height, width = input_shape
    larger = f"use images of {side} × {side}, or " if side else "use "
    message = (
        f"'{PREFIX}{name}' cannot read images of {height} × {width} pixels ({reason}); "
        f"{larger}train.network: cnn, which reads any size"
    )
    return Problem("train.network", message)


def fit_input(network: nn.Module, channels: int) -> None:
    """Fit the first convolution to that number of channels, keeping what it has learnt.

    One channel gets the sum of the filters over the colours, so that a grey image has the outputs
    of its copy in three colours; more channels get the filters in turn, scaled to keep the sum.
    """
    path, first = next(
        (path, module) for path, module in network.named_modules() if isinstance(module, nn.Conv2d)
    )
    if channels == first.in_channels:
        return
    fitted = nn.Conv2d(
        channels,
        first.out_channels,
        kernel_size=first.kernel_size,  # type: ignore[arg-type]
        stride=first.stride,  # type: ignore[arg-type]
        padding=first.padding,  # type: ignore[arg-type]
        bias=first.bias is not None,
    )
    with torch.no_grad():
        fitted.weight.copy_(spread(first.weight, channels))
        if first.bias is not None and fitted.bias is not None:
            fitted.bias.copy_(first.bias)
    network.set_submodule(path, fitted)


def spread(weight: Tensor, channels: int) -> Tensor:
    """(O, 3, h, w) -> (O, channels, h, w)."""
    if channels == 1:
        return weight.sum(1, keepdim=True)
    colours = weight.shape[1]
    turns = list(itertools.islice(itertools.cycle(range(colours)), channels))
    return weight[:, turns] * (colours / channels)


def fit_head(network: nn.Module, d_out: int | None) -> None:
    """Set `d_hidden`, and remove the head when `d_out` is None.

    The head is the last linear layer, or SqueezeNet's last convolution, whose ReLU is removed: with
    it a regression could not predict negative numbers.
    """
    modules = list(network.named_modules())
    heads = [item for item in modules if isinstance(item[1], nn.Linear)]
    if not heads:
        heads = [item for item in modules if isinstance(item[1], nn.Conv2d)]
        network.set_submodule("classifier.2", nn.Identity())
    path, head = heads[-1]
    d_hidden = head.in_features if isinstance(head, nn.Linear) else head.in_channels
    network.d_hidden = d_hidden  # type: ignore[assignment]
    if d_out is None:
        network.set_submodule(path, nn.Identity())


def _check_shapes(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    """Run one image on the meta device, which checks shapes and computes nothing."""
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: value.detach().to("meta") for name, value in state.items()}
    was_training = network.training
    with torch.no_grad():
        x = torch.empty(1, *input_shape, device="meta")
        torch.func.functional_call(network.eval(), shapes, (x,))
    network.train(was_training)


def _working_side(name: str, input_shape: tuple[int, ...]) -> int | None:
    for side in SIDES:
        if side <= min(input_shape[1:]):
            continue
        shape = (input_shape[0], side, side)
        try:
            with torch.device("meta"):
                _check_shapes(_build(name, shape, 2, {}), shape)
        except _WRONG_SIZE:
            continue
        return side
    return None
