"""Which of a training's processes this one is, by the variables that torchrun sets."""

import os
from typing import NamedTuple

from layerline.errors import ParamsError, Problem

_RANK_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


class RankPlace(NamedTuple):
    """A process among those that one training runs in; `local`: among those of its machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int


def read_rank_place() -> RankPlace | None:
    """What torchrun, or whatever else starts ranks, has put into the environment; else None.

    Raises:
        ParamsError: there are several processes, and a variable is missing or no number.
    """
    found = {name: os.environ.get(name, "") for name in _RANK_VARIABLES}
    if found["WORLD_SIZE"] in ("", "1"):
        return None
    usual = {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    numbers = {name: found[name] or usual.get(name, "") for name in _RANK_VARIABLES}
    wrong = [name for name, value in numbers.items() if not value.isdecimal()]
    wrong += [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if wrong:
        message = (
            f"WORLD_SIZE={found['WORLD_SIZE']} asks for several processes, and {', '.join(wrong)} "
            "is missing or no number; start them with torchrun, or unset WORLD_SIZE"
        )
        raise ParamsError([Problem(wrong[0], message)], "environment")
    return RankPlace(*(int(numbers[name]) for name in _RANK_VARIABLES))
