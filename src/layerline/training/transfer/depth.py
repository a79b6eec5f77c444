"""The head and the blocks of any network, and how deep each parameter lies."""

from collections.abc import Iterator

from torch import nn


def head_of(network: nn.Module) -> str:
    """The path of the head: the last linear layer, or SqueezeNet's last convolution."""
    if isinstance(getattr(network, "head", None), nn.Module):
        return "head"
    modules = list(network.named_modules())
    linear = [path for path, module in modules if isinstance(module, nn.Linear)]
    return (linear or [path for path, module in modules if isinstance(module, nn.Conv2d)])[-1]


def is_in(name: str, path: str) -> bool:
    """Whether a parameter's name lies under a module's path."""
    return name == path or name.startswith(f"{path}.")


def blocks_of(network: nn.Module) -> list[tuple[str, ...]]:
    """Names of the parameters of each block, from the input to the head, which is the last.

    A block is a child of the network, or a child of its sequences. What has no matrix (a norm)
    belongs to the block before it, and loose parameters to the first block.
    """
    head = head_of(network)
    blocks: list[list[str]] = []
    in_head = [name for name, _ in network.named_parameters() if is_in(name, head)]
    taken = set(in_head)
    for path, unit in _units(network, ""):
        names = [
            name
            for name, _ in unit.named_parameters(prefix=path)
            if name not in taken and not is_in(name, head)
        ]
        has_matrix = any(network.get_parameter(name).ndim > 1 for name in names)
        if names and (has_matrix or not blocks):
            blocks.append([])
        if names:
            blocks[-1] += names
            taken.update(names)
    loose = [name for name, _ in network.named_parameters() if name not in taken]
    if loose:
        blocks = [loose + blocks[0], *blocks[1:]] if blocks else [loose]
    return [tuple(block) for block in (*blocks, in_head)]


def _units(network: nn.Module, prefix: str, depth: int = 0) -> Iterator[tuple[str, nn.Module]]:
    for name, child in network.named_children():
        path = f"{prefix}{name}"
        is_sequence = isinstance(child, nn.Sequential | nn.ModuleList)
        holds_sequence = depth == 0 and any(
            isinstance(item, nn.Sequential | nn.ModuleList) for item in child.children()
        )
        if is_sequence:
            yield from ((f"{path}.{key}", item) for key, item in child.named_children())
        elif holds_sequence:
            yield from _units(child, f"{path}.", depth + 1)
        else:
            yield path, child


def depths(network: nn.Module) -> dict[str, int]:
    """How many blocks a parameter lies before the head: 0 in it, 1 in the last block."""
    blocks = blocks_of(network)
    return {name: place for place, names in enumerate(reversed(blocks)) for name in names}
