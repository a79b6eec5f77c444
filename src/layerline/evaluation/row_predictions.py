"""A network's predictions for the rows of a split, in the user's unit."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from layerline.config import ConformalSection
from layerline.evaluation.conformal import fit_conformal, interval_scores, set_scores
from layerline.evaluation.conformal_groups import find_groups
from layerline.evaluation.decision import PLAIN, Decision
from layerline.evaluation.held_out import HeldOut
from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.target_predictions import decide_targets, true_targets
from layerline.networks.ensemble import Ensemble
from layerline.networks.serialization import NetworkSpec
from layerline.scaling.preprocessing.target_transforms import read_curve
from layerline.training.dataset import Rows
from layerline.training.inference import predict
from layerline.training.objectives import read_link


def predict_rows(
    network: nn.Module, spec: NetworkSpec, rows: Rows, decision: Decision = PLAIN
) -> Predictions:
    """The predictions for the rows of a split, in the user's unit."""
    outputs = predict(network, rows.x).numpy()
    by_fold = [predict(part, rows.x).numpy() for part in fold_networks(network, decision)]
    return decide_rows(HeldOut(outputs, rows, by_fold=by_fold or None), spec, decision)


def fold_networks(network: nn.Module, decision: Decision) -> list[nn.Module]:
    """The networks of each fold, as one each, where regions need their answers; else none."""
    conformal = decision.conformal
    if conformal is None or conformal.folds is None:
        return []
    assert isinstance(network, Ensemble)
    return [network.part(places) for places in conformal.folds.members]


def decide_rows(given: HeldOut, spec: NetworkSpec, decision: Decision = PLAIN) -> Predictions:
    """What outputs predict for their rows, in the user's unit."""
    outputs, rows, x = given.outputs, given.rows, given.rows.x.numpy()
    if spec.targets:
        truth = true_targets(rows.y.numpy(), spec.targets)
        return decide_targets(outputs, read_link(spec.link), spec.targets, truth)
    if spec.classes is not None:
        found = decision.classify(outputs, rows.y.numpy(), x, given.by_fold)
    else:
        found = decision.decide_numbers(
            _numbers(outputs, spec),
            read_link(spec.link),
            read_curve(spec.target_curve),
            _actual(rows, spec),
            x,
            None if given.by_fold is None else [_numbers(own, spec) for own in given.by_fold],
        )
    weights = None if rows.weights is None else rows.weights.numpy()
    return dataclasses.replace(found, weights=weights)


def with_conformal(
    held: HeldOut,
    spec: NetworkSpec,
    decision: Decision,
    regions: ConformalSection,
    data: Mapping[str, Any],
    members: Sequence[Mapping[str, Any]] = (),
) -> Decision:
    """The decision with regions that cover a share of new rows, fitted on rows held out.

    By group they cover that share of each, where it has enough rows. `data` is the manifest of
    data/scaled, `members` those in that of models/network.

    Raises:
        ParamsError: too few rows for the coverage, or groups that are not known.
    """
    outputs, rows = held.outputs, held.rows
    if spec.classes is not None:
        scores = set_scores(decision.probabilities(outputs), rows.y.numpy())
    else:
        actual = read_curve(spec.target_curve).apply(_actual(rows, spec))
        scores = interval_scores(_numbers(outputs, spec), actual)
    conformal = fit_conformal(scores, regions.level, held.multiples)
    if regions.by is not None:
        groups = find_groups(regions.by, data, spec.category_sizes)
        places = rows.y.numpy() if groups.first is None else groups.places(rows.x.numpy())
        conformal = conformal.grouped(groups, scores, places, held.multiples)
    if regions.method == "cv_plus":
        assert held.folds is not None  # params.yaml has train.folds
        conformal = conformal.folded(scores, held.folds, members)
    return dataclasses.replace(decision, conformal=conformal)


def _numbers(outputs: NDArray[np.float32], spec: NetworkSpec) -> Floats:
    """Outputs (B, O) -> (B, 1), or (B, Q) quantiles, before the target's curve is inverted."""
    return read_link(spec.link).numbers(outputs, spec.target_center, spec.target_scale)


def _actual(rows: Rows, spec: NetworkSpec) -> Floats:
    """(B,) true numbers in the user's unit."""
    if rows.actual is not None:
        return rows.actual.numpy()
    return rows.y.numpy().astype(np.float64) * spec.target_scale + spec.target_center
