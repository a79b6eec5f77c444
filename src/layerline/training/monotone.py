"""`train.monotone`: columns with which a prediction may only rise, or only fall.

Of two classes the prediction is the probability of the second one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from layerline.config import TrainSection
from layerline.errors import ParamsError, Problem
from layerline.networks.signed_weights import SignedWeights
from layerline.training.dataset import TrainingData
from layerline.training.optimizers import Step

_DIRECTIONS = {"increasing": 1, "decreasing": -1}


def input_directions(section: TrainSection, data: Mapping[str, Any]) -> tuple[int, ...]:
    """-1, 0 or 1 for each input of the network; empty where no column is monotone.

    `data` is the manifest of data/scaled.

    Raises:
        ParamsError: a column is no number that the network reads, or there are several classes.
    """
    if not section.monotone:
        return ()
    features = list(data["features"] or ())
    numbers = features[: len(features) - len(data.get("category_sizes", ()))]
    problems = [
        Problem(f"train.monotone.{name}", "is no number that the network reads; remove it")
        for name in section.monotone
        if name not in numbers
    ]
    if data["task"] == "multiclass":
        problems.append(Problem("train.monotone", MANY_CLASSES))
    if problems:
        raise ParamsError(problems)
    found = [0] * len(features)
    for name, direction in section.monotone.items():
        found[features.index(name)] = _DIRECTIONS[direction]
    return tuple(found)


MANY_CLASSES = (
    "more than two classes have no order in which a prediction rises; remove it, or make the "
    "target a number"
)


def sign_weights(networks: Sequence[nn.Module], data: TrainingData) -> SignedWeights | None:
    """What keeps the networks monotone, which then are; None where nothing is asked for."""
    if not data.monotone:
        return None
    d_out = networks[0].get_submodule("head").out_features
    assert isinstance(d_out, int)
    outputs = (-1, 1) if data.task == "binary" else (1,) * d_out
    found = SignedWeights(networks, data.monotone, outputs)
    found.begin()
    return found


def keep_signs(step: Step, weights: SignedWeights) -> Step:
    """The optimizer's step, and the signs after it."""

    def run(closure: Any = None) -> None:
        step(closure)
        weights.keep()

    return run
