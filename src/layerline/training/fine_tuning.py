"""What learns when, and how fast: frozen parameters, rates by depth, unfreezing by epoch.

A training from scratch uses none of it; layerline.training.transfer decides it. All of it is a
function of the epoch, so that an interrupted training needs nothing of it in its snapshots.
"""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from layerline.errors import ParamsError, Problem
from layerline.training.optimizers import OPTIMIZERS, split_rates


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """Which parameters learn from which epoch on, by their names in the network.

    `first_epochs` counts from 1; a parameter that is not in it never learns. `rate_factors`
    multiply the learning rate. `pull` is the strength of L2-SP towards `anchors`. `only_train` is a
    module's path: everything outside that module stays in evaluation mode.

    Source: Howard and Ruder, ULMFiT (2018) for rates by depth and gradual unfreezing; Li et al.,
    Explicit Inductive Bias for Transfer Learning (2018) for L2-SP.
    """

    first_epochs: Mapping[str, int]
    rate_factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pull: float = 0.0
    anchors: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    only_train: str | None = None

    def freeze(self, network: nn.Module) -> None:
        """Freeze permanently what never learns; called before the optimizer is built."""
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name in self.first_epochs)

    def set_rates(self, network: nn.Module, optimizer: Optimizer, name: str) -> None:
        """Give the optimizer's groups their rates; called once, before any step.

        Raises:
            ParamsError: the optimizer knows one rate alone, or takes no pull.
        """
        factors = {
            parameter: self.rate_factors.get(path, 1.0)
            for path, parameter in network.named_parameters()
        }
        is_plain = set(factors.values()) <= {1.0} and not self.pull
        if OPTIMIZERS[name].full_batch and not is_plain:
            message = f"{name!r} has one rate for all and no pull; leave rate_decay and l2_sp out"
            raise ParamsError([Problem("train.transfer", message)])
        if not is_plain:
            split_rates(optimizer, factors)

    def begin_epoch(self, network: nn.Module, epoch: int) -> None:
        """Freeze and thaw for this epoch (from 1); the network is in training mode."""
        for name, parameter in network.named_parameters():
            learns = self.first_epochs.get(name, epoch + 1) <= epoch
            if not learns:
                parameter.grad = None
            parameter.requires_grad_(learns)
        if self.only_train is not None:
            network.eval()
            network.get_submodule(self.only_train).train()
        freeze_statistics(network)

    @torch.no_grad()
    def add_pull(self, network: nn.Module) -> None:
        """Add pull * (w - anchor) to the gradients of what learns now."""
        if not self.pull:
            return
        for name, parameter in network.named_parameters():
            anchor = self.anchors.get(name)
            if anchor is not None and parameter.grad is not None:
                anchor = anchor.to(parameter.device)
                parameter.grad.add_(parameter.detach() - anchor, alpha=self.pull)


def freeze_statistics(network: nn.Module) -> None:
    """Put norms with running statistics in evaluation mode where their parameters are frozen.

    A norm without parameters goes with the layer before it.

    Source: timm's freeze and freeze_batch_norm_2d: a frozen layer's statistics are frozen too.
    """
    learns = True
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own:
            learns = any(parameter.requires_grad for parameter in own)
        if isinstance(module, _NormBase) and not learns:
            module.eval()
