"""Losses of classes: outputs are logits (B, K), targets indices (B,) or shares (B, K)."""

import math
from functools import partial
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PlainValidator
from torch import Tensor

from layerline.errors import ParamsError, Problem
from layerline.kernels import cross_entropy as kernels
from layerline.training.objectives.target_statistics import (
    Constant,
    Loss,
    MeanOfRows,
    TargetFacts,
    WeightedMean,
)

# Below this share a class counts as won: the focal factor's slope stays finite.
_TINY = 1e-12


def _class_weights_option(value: Any) -> Any:
    # One rule in one sentence: a union would refuse once for each of its members.
    if value is None or value == "balanced":
        return value
    if isinstance(value, list | tuple) and all(_is_weight(weight) for weight in value):
        return tuple(float(weight) for weight in value)
    raise ValueError("must be null, balanced, or a list of one number above 0 for each class")


def _positive_weight_option(value: Any) -> Any:
    if value == "balanced" or _is_weight(value):
        return value
    raise ValueError("must be balanced, or a number above 0")


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and value is not True and 0 < value < math.inf


ClassWeights = Annotated[
    str | tuple[float, ...] | None,
    PlainValidator(
        _class_weights_option, json_schema_input_type=Literal["balanced"] | list[float] | None
    ),
    Field(description="What a row of each class counts; balanced: by 1 / its class's share."),
]
PositiveWeight = Annotated[
    str | float,
    PlainValidator(_positive_weight_option, json_schema_input_type=Literal["balanced"] | float),
]


def cross_entropy(
    facts: TargetFacts,
    *,
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    class_weights: ClassWeights = None,
) -> Loss:
    """Softmax cross entropy, in nats, the mean of the rows by the weights of their classes.

    `balanced` weighs a class by 1 / (its share of the train rows times K), as scikit-learn does.

    Options:
        label_smoothing: the share of each target that is spread over all classes.

    Source: torch.nn.functional.cross_entropy; Szegedy et al. (2016) for the smoothing.
    """
    weights = _class_weights(class_weights, facts)
    if weights is None:
        plain = partial(kernels.cross_entropy, label_smoothing=label_smoothing)
        slope = partial(kernels.cross_entropy_gradient, label_smoothing=label_smoothing)
        return MeanOfRows(plain, partial(plain, reduction="none"), slope)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        placed = weights.beside(outputs)
        if targets.dtype == torch.int64:
            return F.cross_entropy(outputs, targets, placed, label_smoothing=label_smoothing)
        total = F.cross_entropy(
            outputs, targets, placed, label_smoothing=label_smoothing, reduction="sum"
        )
        # torch divides shares by the rows and indices by their weights; we always by the weights.
        return total / (targets @ placed).sum()

    return WeightedMean(loss, partial(_weight, weights))


def _weight(weights: Constant, targets: Tensor) -> Tensor:
    """Of the targets, indices (B,) or shares (B, K), all together."""
    if targets.dtype == torch.int64:
        return weights.beside(torch.empty(0, device=targets.device))[targets].sum()
    return (targets @ weights.beside(targets)).sum()


def focal(
    facts: TargetFacts,
    *,
    gamma: Annotated[float, Field(ge=0)] = 2.0,
    class_weights: ClassWeights = None,
) -> Loss:
    """Cross entropy times (1 - p)^gamma, p the probability of the true class: easy rows count less.

    Options:
        gamma: how much less easy rows count; 0 is the cross entropy.

    Source: Lin et al., Focal Loss (2017), equation 5.
    """
    weights = _class_weights(class_weights, facts)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        shares = targets
        if targets.dtype == torch.int64:
            shares = F.one_hot(targets, outputs.shape[1]).to(outputs)
        if weights is not None:
            shares = shares * weights.beside(outputs)
        logs = outputs.log_softmax(1)
        others = (-torch.expm1(logs)).clamp_min(_TINY)
        return -(shares * others.pow(gamma) * logs).sum() / shares.sum()

    return loss if weights is None else WeightedMean(loss, partial(_weight, weights))


def brier(facts: TargetFacts) -> Loss:
    """Squared error of the probabilities, summed over the classes; the mean of the rows.

    Source: Brier (1950), Verification of forecasts expressed in terms of probability.
    """

    def of_rows(outputs: Tensor, targets: Tensor) -> Tensor:
        shares = targets
        if targets.dtype == torch.int64:
            shares = F.one_hot(targets, outputs.shape[1]).to(outputs)
        return (outputs.softmax(1) - shares).square().sum(1)

    return MeanOfRows(lambda outputs, targets: of_rows(outputs, targets).mean(), of_rows)


def ordinal(facts: TargetFacts) -> Loss:
    """Cross entropy of each "at most this class", the mean of these; classes are in their order.

    A mistake costs more the further it is off; of two classes it is the cross entropy.

    Source: Frank and Hall, A Simple Approach to Ordinal Classification (2001), as one softmax;
    Epstein, A Scoring System for Probability Forecasts of Ranked Categories (1969), with logs.
    """

    def of_rows(outputs: Tensor, targets: Tensor) -> Tensor:
        shares = targets
        if targets.dtype == torch.int64:
            shares = F.one_hot(targets, outputs.shape[1]).to(outputs)
        logs = outputs.log_softmax(1)
        at_most = logs.logcumsumexp(1)[:, :-1]
        above = logs.flip(1).logcumsumexp(1).flip(1)[:, 1:]
        true = shares.cumsum(1)[:, :-1]
        return -(true * at_most + (1 - true) * above).mean(1)

    return MeanOfRows(lambda outputs, targets: of_rows(outputs, targets).mean(), of_rows)


def binary_cross_entropy(facts: TargetFacts, *, pos_weight: PositiveWeight = 1.0) -> Loss:
    """Logistic loss; rows of the second class count `pos_weight` times.

    The logit is the difference of the two outputs, so that probabilities stay the softmax of both.

    Options:
        pos_weight: how often a row of the second class counts; balanced: the first class's train
            rows for each of the second's.

    Source: torch.nn.functional.binary_cross_entropy_with_logits.
    """
    number = _balance(facts) if isinstance(pos_weight, str) else float(pos_weight)
    weight = Constant(torch.tensor(number))

    def loss(outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        logits = outputs[:, 1] - outputs[:, 0]
        shares = targets if targets.dtype == torch.int64 else targets[:, 1]
        return F.binary_cross_entropy_with_logits(
            logits,
            shares.to(outputs.dtype),
            pos_weight=weight.beside(outputs),
            reduction=reduction,
        )

    return MeanOfRows(loss, partial(loss, reduction="none"))


def multilabel_cross_entropy(facts: TargetFacts) -> Loss:
    """Logistic loss of each target, whose logit is an output of its own; the mean over them.

    Source: torch.nn.functional.binary_cross_entropy_with_logits.
    """
    loss = F.binary_cross_entropy_with_logits
    return MeanOfRows(loss, lambda outputs, y: loss(outputs, y, reduction="none").mean(1))


def _class_weights(asked: str | tuple[float, ...] | None, facts: TargetFacts) -> Constant | None:
    if asked is None:
        return None
    counts = _counts(facts)
    if isinstance(asked, str):
        return Constant(counts.sum() / (len(counts) * counts.clamp_min(1)))
    if len(asked) != len(counts):
        message = f"one weight for each of the {len(counts)} classes is needed, got {len(asked)}"
        raise ParamsError([Problem("train.loss.class_weights", message)])
    return Constant(torch.tensor(asked))


def _balance(facts: TargetFacts) -> float:
    negative, positive = _counts(facts).tolist()
    return float(negative / max(positive, 1))


def _counts(facts: TargetFacts) -> Tensor:
    if facts.class_counts is None:
        raise ValueError("class weights need facts.class_counts: call describe_targets")
    return facts.class_counts
