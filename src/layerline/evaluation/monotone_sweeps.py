"""Test rows with other values of a monotone column: predictions may only rise, or only fall."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from layerline.config import TrainSection
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Table
from layerline.text import readable
from layerline.training.dataset import Rows
from layerline.training.inference import predict
from layerline.training.monotone import input_directions

_ROWS, _VALUES = 200, 21
ROUNDING = 1e-5  # of the largest output: what float32 sums may be off


@dataclasses.dataclass(frozen=True)
class Sweep:
    """One column: `n_rows` test rows, each with `n_values` values of it, in rising order.

    `worst` is the largest step against its `direction`, as a share of the largest output.
    """

    column: str
    direction: str
    n_rows: int
    n_values: int
    worst: float

    @property
    def holds(self) -> bool:
        """Whether no step is more than rounding."""
        return self.worst <= ROUNDING


def sweep_columns(
    network: nn.Module, section: TrainSection, data: Mapping[str, Any], test: Rows
) -> list[Sweep]:
    """One sweep for each column of `train.monotone`; `data` is the manifest of data/scaled."""
    directions, found = input_directions(section, data), []
    x = test.x[:: -(-len(test) // _ROWS)].numpy()
    for name, direction in section.monotone.items():
        place = data["features"].index(name)
        values = np.unique(np.quantile(test.x[:, place].numpy(), np.linspace(0, 1, _VALUES)))
        swept = np.repeat(x, len(values), axis=0)
        swept[:, place] = np.tile(values, len(x))
        outputs = predict(network, torch.from_numpy(swept)).numpy()
        rising = _rising(outputs, data["task"]).reshape(len(x), len(values), -1)
        steps = np.diff(rising, axis=1) * directions[place]
        worst = max(0.0, -float(steps.min(initial=0.0))) / max(1.0, float(np.abs(outputs).max()))
        found.append(Sweep(name, direction, len(x), len(values), worst))
    return found


def _rising(outputs: NDArray[np.float32], task: str) -> NDArray[np.float32]:
    """(B, Q) what rises with a prediction: quantiles in their order, or the log odds."""
    return outputs[:, 1:] - outputs[:, :1] if task == "binary" else np.sort(outputs, axis=1)


def monotone_section(sweeps: Sequence[Sweep], classes: Sequence[Any] | None) -> list[Block]:
    """The model card's: which columns are monotone, and whether test rows show it."""
    if not sweeps:
        return []
    rows = [
        [sweep.column, sweep.direction, "yes" if sweep.holds else f"no: {readable(sweep.worst)}"]
        for sweep in sweeps
    ]
    what = "the prediction" if classes is None else f"the probability of `{classes[1]}`"
    text = (
        f"With these columns {what} may only rise (increasing) or only fall, by the signs of the "
        f"network's weights; checked on {sweeps[0].n_rows:,} test rows, each with up to "
        f"{max(sweep.n_values for sweep in sweeps)} values of the column."
    )
    marked = [place for place, sweep in enumerate(sweeps) if not sweep.holds]
    table = Table(["column", "direction", "holds"], rows, marked)
    return [Heading("Monotone columns"), Paragraph(text), table]
