"""The metrics of several targets: the mean over these, and that of each as `rmse.price`."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from layerline.evaluation.predictions import Floats
from layerline.evaluation.resampling import Drawn, Metric, mean_of_defined


def metrics_of_targets(table: Mapping[str, Metric], names: Sequence[str]) -> dict[str, Metric]:
    """The metrics of several targets, from those of one.

    >>> list(metrics_of_targets({"mae": Metric(lambda drawn: drawn.n_rows)}, ["price", "rent"]))
    ['mae', 'mae.price', 'mae.rent']
    """
    found = {
        name: dataclasses.replace(metric, build=functools.partial(_mean_of_targets, metric))
        for name, metric in table.items()
    }
    for place, target in enumerate(names):
        for name, metric in table.items():
            own = functools.partial(_of_target, metric, place)
            found[f"{name}.{target}"] = dataclasses.replace(metric, build=own)
    return found


def _of_target(metric: Metric, place: int, drawn: Drawn) -> Floats:
    return metric.build(drawn.parts[place])


def _mean_of_targets(metric: Metric, drawn: Drawn) -> Floats:
    return mean_of_defined(np.stack([metric.build(part) for part in drawn.parts]))
