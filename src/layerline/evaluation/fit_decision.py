"""The decision as params.yaml asks for it: the temperature, then the threshold of a binary task."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.config import EvaluateSection, ThresholdSection
from layerline.errors import ParamsError, Problem
from layerline.evaluation.class_costs import costs_of
from layerline.evaluation.decision import PLAIN, Decision
from layerline.evaluation.held_out import HeldOut
from layerline.evaluation.predictions import Floats, Ints
from layerline.evaluation.temperature import Calibration, calibrate
from layerline.evaluation.thresholds import choose_threshold
from layerline.networks.serialization import NetworkSpec


def fit_decision(
    logits: NDArray[np.floating],
    actual: Ints,
    classes: Sequence[Any],
    section: EvaluateSection,
    weights: Floats | None = None,
) -> tuple[Decision, Calibration | None]:
    """Fit the decision on validation rows, as params.yaml asks.

    Args:
        logits: (B, K) of the validation rows.
        actual: (B,) their class indices.
        classes: the K labels.
        section: params.yaml's `evaluate`.
        weights: (B,) what each row counts, 1 on average.

    Raises:
        ParamsError: a threshold for more than two classes, or a name that is no class.
    """
    positive = positive_index(section, classes)
    calibration = calibrate(logits, actual, weights) if section.temperature else None
    temperature = calibration.temperature if calibration else 1.0
    matrix = costs_of(section, classes)
    costs = None if matrix is None else tuple(tuple(row) for row in matrix.tolist())
    decision = Decision(temperature, None, positive, costs=costs)
    if section.threshold is None:
        return decision, calibration
    if isinstance(section.threshold, ThresholdSection):
        scores = decision.probabilities(logits)[:, positive]
        threshold = choose_threshold(scores, actual == positive, section.threshold, weights)
    else:
        threshold = float(section.threshold)
    return dataclasses.replace(decision, threshold=threshold), calibration


def positive_index(section: EvaluateSection, classes: Sequence[Any]) -> int:
    """The index of the positive class: `evaluate.positive`, by default the second."""
    if len(classes) != 2 and section.threshold is not None:
        raise ParamsError(
            [
                Problem(
                    "evaluate.threshold",
                    f"only a binary task has a threshold, and this one has {len(classes)} classes; "
                    "remove it",
                )
            ]
        )
    if section.positive is None:
        return min(1, len(classes) - 1)
    named = [k for k, name in enumerate(classes) if str(name) == str(section.positive)]
    if len(classes) != 2 or not named:
        message = f"{section.positive!r} is not one of the two classes of a binary task"
        shown = ", ".join(map(repr, classes[:20]))
        raise ParamsError([Problem("evaluate.positive", f"{message}; the classes are {shown}")])
    return named[0]


def default_decision(section: EvaluateSection) -> Decision:
    """The decision of a regression, which has no classes.

    Raises:
        ParamsError: params.yaml sets a threshold or a positive class.
    """
    for key in ("threshold", "positive", "class_costs"):
        if getattr(section, key) is not None:
            message = "a regression has no classes; remove it"
            raise ParamsError([Problem(f"evaluate.{key}", message)])
    return PLAIN


def choose_decision(
    held: HeldOut, spec: NetworkSpec, section: EvaluateSection
) -> tuple[Decision, Calibration | None]:
    """Fit temperature and threshold on rows held out; nothing of it for a regression.

    Raises:
        ParamsError: params.yaml sets a threshold or a positive class that does not fit.
    """
    if spec.classes is None:  # several targets, too: params with more were refused
        return default_decision(section), None
    return fit_decision(held.outputs, held.rows.y.numpy(), spec.classes, section, held.multiples)
