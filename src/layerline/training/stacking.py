"""Which networks train together as one batched network."""

import copy
from collections.abc import Callable, Sequence

from torch import Generator, nn

from layerline.config import TrainSection
from layerline.lookup import pick
from layerline.networks.stack import NotStackableError, stack_networks
from layerline.training.dataset import Rows
from layerline.training.device import choose_device, count_operations
from layerline.training.member_settings import MemberSettings
from layerline.training.optimizers import OPTIMIZERS
from layerline.training.session_builder import has_own_pace
from layerline.training.turns import Numbers

# A step's, of one network. Measured with 4 MLPs, plain and with batch norm and dropout: training
# together is 1.4 to 1.6 times as fast at 1 million operations, 1.1 to 1.2 at 20, 0.9 at 32.
OPERATIONS_TOGETHER = 25e6


def group_members(
    settings: Sequence[MemberSettings], gains_by_stacking: Callable[[int], bool]
) -> list[Numbers]:
    """The numbers of the members that train together, group by group."""
    alike: dict[str, list[int]] = {}
    for number, own in enumerate(settings):
        alike.setdefault(own.stack_key, []).append(number)
    found: list[Numbers] = []
    for numbers in alike.values():
        if len(numbers) > 1 and gains_by_stacking(numbers[0]):
            found.append(tuple(numbers))
        else:
            found += [(number,) for number in numbers]
    return sorted(found)


def trains_together(section: TrainSection, train: Rows, network: nn.Module) -> bool:
    """Whether several such networks can take their steps as one, and gain by it.

    What they share is the cost of calls; large products of one network are quicker than those of
    several together, which need more memory than the processor's caches have.
    """
    if (
        not pick(OPTIMIZERS, section.optimizer.name, "train.optimizer").stackable
        or choose_device(section.device).type != "cpu"
        or train.is_streamed
    ):
        return False
    operations = 3 * section.batch_size * count_operations(network, tuple(train.x.shape[1:]))
    return operations < OPERATIONS_TOGETHER and _has_batched_form(section, network)


def _has_batched_form(section: TrainSection, network: nn.Module) -> bool:
    if has_own_pace(section):
        return False
    members = [copy.deepcopy(network) for _ in range(2)]
    try:
        stack_networks(members, [Generator() for _ in members])
    except NotStackableError:
        return False
    return True
