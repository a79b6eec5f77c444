"""Orders of rows, one an epoch, by name. To add one: a function, a line in SAMPLERS.

An order takes the targets (N,) and a generator and returns row positions (N,) int64.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from layerline.errors import ParamsError, Problem
from layerline.lookup import pick
from layerline.training.dataset import Rows
from layerline.training.member import Member

BLOCK_BYTES = 2**22  # enough for a disk to read at once

Count = Annotated[int, Field(ge=1)]


def shuffled(y: Tensor, generator: torch.Generator) -> Tensor:
    """Every row once, in any order."""
    return torch.randperm(len(y), generator=generator)


def balanced(y: Tensor, generator: torch.Generator) -> Tensor:
    """As many rows as there are, each class equally often (but for a remainder), in any order.

    Rows are drawn from their class with replacement. Source: Japkowicz (2000), over-sampling.

    Raises:
        ParamsError: the targets are no classes.

    >>> y = torch.tensor([0] * 90 + [1] * 10)
    >>> balanced(y, torch.Generator().manual_seed(0)).lt(90).sum()
    tensor(50)
    """
    if y.dtype != torch.int64:
        message = (
            "'balanced' draws each class equally often, and this is a regression; use shuffled"
        )
        raise ParamsError([Problem("train.sampling", message)])
    y = y.to(generator.device)
    by_class = torch.argsort(y, stable=True)
    counts = torch.bincount(y)
    first = counts.cumsum(0) - counts
    classes = torch.nonzero(counts).flatten()
    # The remainder goes to other classes each epoch.
    classes = classes[torch.randperm(len(classes), generator=generator)]
    wanted = classes[torch.randperm(len(y), generator=generator) % len(classes)]
    draws = torch.rand(len(y), generator=generator, dtype=torch.float64)
    within = (draws * counts[wanted]).long().minimum(counts[wanted] - 1)
    return by_class[first[wanted] + within]


def blocks(
    y: Tensor,
    generator: torch.Generator,
    *,
    block_rows: Count = 1024,
    blocks_together: Count = 64,
) -> Tensor:
    """Every row once: runs of rows are shuffled, then the rows within a few runs at a time.

    For arrays on disk that do not fit into memory: a stretch of the order touches just
    `blocks_together` runs of `block_rows` neighbours, which the disk reads ahead and memory holds.
    """
    runs = torch.arange(len(y)).split(block_rows)
    order = torch.randperm(len(runs), generator=generator).tolist()
    stretches = []
    for start in range(0, len(order), blocks_together):
        rows = torch.cat([runs[index] for index in order[start : start + blocks_together]])
        stretches.append(rows[torch.randperm(len(rows), generator=generator)])
    return torch.cat(stretches)


SAMPLERS: dict[str, Callable[..., Tensor]] = {
    "shuffled": shuffled,
    "balanced": balanced,
    "blocks": blocks,
}


def draw_order(rows: Rows, sampling: str, generator: torch.Generator) -> Tensor:
    """The order of an epoch by the name in params.yaml; streamed rows are shuffled by blocks.

    Raises:
        ParamsError: the name is not known, or does not fit the targets.
    """
    draw = pick(SAMPLERS, sampling, "train.sampling")
    if rows.is_streamed and draw is shuffled:
        block_rows = max(1, BLOCK_BYTES // rows.x[0].nbytes)
        return blocks(rows.y, generator, block_rows=block_rows)
    return draw(rows.y, generator)


def redraw_order(
    rows: Rows, sampling: str, member: Member, begun: Tensor, *, is_resumed: bool
) -> Tensor:
    """The order that the member's generator draws in its state `begun`, when an epoch begins.

    An epoch that is resumed in its middle draws the same one, and the generator stays where it is.
    With a fold it is of that fold's rows.
    """
    generator, fold = member.order, member.fold
    now = generator.get_state()
    generator.set_state(begun)
    if fold is None:
        order = draw_order(rows, sampling, generator)
    else:
        own = dataclasses.replace(rows, y=rows.y.cpu()[fold.train])
        order = fold.train[draw_order(own, sampling, generator)][: fold.n_rows]
    if is_resumed:
        generator.set_state(now)
    return order
