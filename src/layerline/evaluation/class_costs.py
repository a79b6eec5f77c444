"""What it costs to take a row of one class for another, as `evaluate.class_costs` says it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerline.config import EvaluateSection
from layerline.errors import ParamsError, Problem
from layerline.evaluation.predictions import Floats

_MAX_SHOWN = 20
WHERE = "evaluate.class_costs"
Costs = str | Mapping[str, float | Mapping[str, float]]


def cost_matrix(given: Costs, classes: Sequence[Any]) -> Floats:
    """(K, K) the cost of a row by its true class, and by the predicted one.

    A mistake costs 1 and a right decision nothing where `given` has no other number for them.

    Raises:
        ParamsError: a name is no class, or nothing costs anything.
    """
    places = np.arange(len(classes))
    steps = np.abs(np.subtract.outer(places, places)).astype(np.float64)
    if isinstance(given, str):
        return np.square(steps) if given == "squared_steps" else steps
    matrix = np.minimum(steps, 1)
    index = {str(name): place for place, name in enumerate(classes)}
    _require_classes(given, index)
    for name, costs in given.items():
        pairs = costs if isinstance(costs, Mapping) else dict.fromkeys(set(index) - {name}, costs)
        for other, cost in pairs.items():
            matrix[index[name], index[other]] = cost
    if not matrix.any():
        raise ParamsError([Problem(WHERE, "no mistake costs anything; raise one, or remove it")])
    return matrix


def costs_of(section: EvaluateSection, classes: Sequence[Any] | None) -> Floats | None:
    """The costs that params.yaml sets for a target of these classes, or None.

    Raises:
        ParamsError: as `cost_matrix`.
    """
    if section.class_costs is None or classes is None:
        return None
    return cost_matrix(section.class_costs, classes)


def _require_classes(given: Mapping[str, Any], index: Mapping[str, int]) -> None:
    named = [(name, name) for name in given]
    named += [
        (f"{name}.{other}", other)
        for name in given
        if isinstance(given[name], Mapping)
        for other in given[name]
    ]
    shown = ", ".join(map(repr, list(index)[:_MAX_SHOWN]))
    problems = [
        Problem(f"{WHERE}.{path}", f"is no class of the target; the classes are {shown}")
        for path, name in named
        if name not in index
    ]
    if problems:
        raise ParamsError(problems)


def describe_costs(given: Costs, costs: Sequence[Sequence[float]], classes: Sequence[Any]) -> str:
    """One sentence of the model card."""
    start = "The class that costs least on average is predicted; a mistaken row costs"
    if isinstance(given, str):
        steps = "the square of the steps" if given == "squared_steps" else "a unit for each step"
        return f"{start} {steps} between the classes, in the order of the schema."
    found = []
    for place, row in enumerate(costs):
        others = {cost for other, cost in enumerate(row) if other != place}
        if len(others) == 1 and not row[place]:
            found += [f"of `{classes[place]}` {cost:g}" for cost in others if cost != 1]
            continue
        found += [
            f"of `{classes[place]}` taken for `{classes[other]}` {cost:g}"
            for other, cost in enumerate(row)
            if cost != (other != place)
        ]
    shown = ", ".join(found[:_MAX_SHOWN]) + (", …" if len(found) > _MAX_SHOWN else "")
    return f"{start} 1{f', but {shown}' if shown else ''}."
