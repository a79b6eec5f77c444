"""Which parameters learn, from which epoch on, and how fast."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn

from layerline.config import TransferSection
from layerline.errors import ParamsError, Problem
from layerline.training.fine_tuning import FineTuning
from layerline.training.transfer.depth import depths, head_of, is_in


def matched(patterns: Sequence[str], names: Sequence[str], where: str) -> set[str]:
    """The names that a pattern matches: `blocks.0.*`, or a module's path for all under it.

    Raises:
        ParamsError: a pattern matches nothing; the message lists names there are.

    Source: big_vision's weight-freezing rules, where such a pattern is an error too.
    """
    found: set[str] = set()
    problems = []
    for pattern in patterns:
        hits = {name for name in names if fnmatchcase(name, pattern) or is_in(name, pattern)}
        found |= hits
        if not hits:
            shown = ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")
            problems.append(Problem(where, f"{pattern!r} matches nothing; there are: {shown}"))
    if problems:
        raise ParamsError(problems)
    return found


def choose_fine_tuning(
    section: TransferSection, network: nn.Module, loaded: Mapping[str, Tensor]
) -> FineTuning:
    """What params.yaml asks for; the head and whatever is new always learn.

    Args:
        section: train.transfer.
        network: with its known weights, and its adapters if there are any.
        loaded: the weights that came from the source, by name.

    Raises:
        ParamsError: a pattern matches nothing, or there are fewer blocks than asked for.
    """
    names = [name for name, _ in network.named_parameters()]
    head, depth = head_of(network), depths(network)
    fresh = {name for name in names if is_in(name, head) or _plain(name) not in loaded}
    learning = _learning(section, names, depth) | fresh
    return FineTuning(
        first_epochs={
            name: 1 if name in fresh else _first_epoch(section, depth[name]) for name in learning
        },
        rate_factors={name: section.rate_decay ** depth[name] for name in learning},
        pull=section.l2_sp,
        anchors={n: loaded[n].clone() for n in names if section.l2_sp and n in loaded},
        only_train=head if section.mode == "feature_extraction" else None,
    )


def _plain(name: str) -> str:
    """The name of a matrix that adapters have taken apart."""
    return name.replace("parametrizations.weight.original", "weight")


def _learning(section: TransferSection, names: Sequence[str], depth: Mapping[str, int]) -> set[str]:
    if section.mode == "feature_extraction" or section.adapters is not None:
        return set()
    if section.learn is not None:
        return matched(section.learn, names, "train.transfer.learn")
    if section.last_blocks is None:
        return set(names)
    n_blocks = max(depth.values())
    if section.last_blocks > n_blocks:
        message = f"is {section.last_blocks}, but the network has {n_blocks} blocks before its head"
        raise ParamsError([Problem("train.transfer.last_blocks", message)])
    return {name for name in names if depth[name] <= section.last_blocks}


def _first_epoch(section: TransferSection, depth: int) -> int:
    if depth == 0:
        return 1
    return 1 + section.head_epochs + (depth - 1) * (section.unfreeze_every or 0)
