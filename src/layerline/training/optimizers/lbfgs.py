"""A quasi-Newton method, for data that fit into one batch."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from layerline.training.optimizers.parameter_groups import Rate

Count = Annotated[int, Field(ge=1)]


def lbfgs(
    network: nn.Module,
    *,
    learning_rate: Rate = 1.0,
    iterations: Count = 20,
    history: Count = 10,
) -> Optimizer:
    """L-BFGS with a line search that meets the strong Wolfe conditions; one step is `iterations`.

    It wants all rows in each step and the same loss in each, so no dropout, which `options` of a
    network turn off. The rate is the first length that the line search tries. Nothing decays.

    Options:
        iterations: of one step.
        history: how many past steps the curvature is taken from.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithms 7.5 and 3.5.
    """
    # It flattens gradients as they lie, which kernels in channels_last order do not allow.
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return torch.optim.LBFGS(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=learning_rate,
        max_iter=iterations,
        history_size=history,
        line_search_fn="strong_wolfe",
    )
