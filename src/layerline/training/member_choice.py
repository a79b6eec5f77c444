"""What several members answer together, and which of them are worth keeping.

Source: Caruana, Niculescu-Mizil, Crew, Ksikes, Ensemble Selection from Libraries of Models (2004).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from layerline.networks.ensemble import Mean, from_averaged, to_averaged

ROUNDS = 5  # draws for each member, with replacement: weights are multiples of a small share


def together(answers: Sequence[Tensor], mean: Mean, weights: Sequence[float] = ()) -> Tensor:
    """The outputs (N, O) of members with the outputs `answers` (N, O), weighted or alike."""
    parts = torch.stack([to_averaged(one.double(), mean) for one in answers])
    shares = torch.tensor(weights or [1 / len(parts)] * len(parts), dtype=torch.float64)
    return from_averaged(torch.einsum("mno,m->no", parts, shares.to(parts.device)), mean).float()


def choose_members(
    answers: Sequence[Tensor], mean: Mean, value: Callable[[Tensor], float]
) -> list[float]:
    """Each member's weight, the sum 1: greedily the next one that lowers the `value` most.

    Members are drawn with replacement, and of all the sums on the way the best one is taken; the
    earlier of equal ones. Half of the weight is then shared out alike, since few validation rows
    choose too sharply, unless that is worse than the best member alone.
    """
    greedy = _draw(answers, mean, value)
    shared = [(weight + 1 / len(greedy)) / 2 for weight in greedy]
    best_alone = min(map(value, answers))
    return shared if value(together(answers, mean, shared)) <= best_alone else greedy


def _draw(answers: Sequence[Tensor], mean: Mean, value: Callable[[Tensor], float]) -> list[float]:
    parts = [to_averaged(one.double(), mean) for one in answers]
    total, counts = torch.zeros_like(parts[0]), [0] * len(parts)
    best_value, best_counts = float("inf"), counts
    for n_drawn in range(1, ROUNDS * len(parts) + 1):
        found = [value(from_averaged((total + part) / n_drawn, mean).float()) for part in parts]
        drawn = min(range(len(parts)), key=found.__getitem__)
        total, counts = total + parts[drawn], list(counts)
        counts[drawn] += 1
        if found[drawn] < best_value:
            best_value, best_counts = found[drawn], counts
    return [count / sum(best_counts) for count in best_counts]
