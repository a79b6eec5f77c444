"""The metrics of one split, and of many resamples of it at once.

To add one: a function of `Drawn` and a line in one of the tables below. The
function returns (R,) values, NaN where it is undefined (such as ROC AUC of a single class). It uses
weights of rows: 1 for the metric itself, and the number of draws in a bootstrap resample. The tests
compare with scikit-learn, whose import would cost more than all of this.
"""

from collections.abc import Mapping

import numpy as np

from layerline.evaluation.predictions import Floats, Predictions
from layerline.evaluation.region_metrics import (
    conformal_coverage,
    conformal_size,
    interval_coverage,
    interval_width,
)
from layerline.evaluation.resampling import Drawn, Metric, mean_of_defined, share_of
from layerline.evaluation.target_metrics import metrics_of_targets

N_BINS = 15


def accuracy(drawn: Drawn) -> Floats:
    """Share of rows whose predicted class is the true one."""
    return 1 - drawn.mean(drawn.predictions.row_losses("accuracy"))


def balanced_accuracy(drawn: Drawn) -> Floats:
    """Mean of the recall of each class that has rows.

    Source: sklearn.metrics.balanced_accuracy_score.
    """
    right, _, actual = drawn.outcomes
    recall = np.where(actual > 0, share_of(right, actual), np.nan)
    return mean_of_defined(recall.T)


def log_loss(drawn: Drawn) -> Floats:
    """Mean of -log of the true class's probability, in nats."""
    return drawn.mean(drawn.predictions.row_losses("log_loss"))


def brier(drawn: Drawn) -> Floats:
    """Mean squared error of the probabilities: of one of two classes, else summed over classes.

    Source: sklearn.metrics.brier_score_loss.
    """
    return drawn.mean(drawn.predictions.row_losses("brier"))


def roc_auc(drawn: Drawn) -> Floats:
    """Area under the ROC curve: of one class when there are two, else the mean over classes.

    Source: sklearn.metrics.roc_auc_score.
    """
    return drawn.areas[0]


def pr_auc(drawn: Drawn) -> Floats:
    """Average precision: of the positive class when there are two, else the mean over classes.

    Source: sklearn.metrics.average_precision_score.
    """
    return drawn.areas[1]


def _f1_by_class(drawn: Drawn) -> Floats:
    right, predicted, actual = drawn.outcomes
    return share_of(2 * right, predicted + actual)


def f1_macro(drawn: Drawn) -> Floats:
    """Mean over classes of the harmonic mean of precision and recall.

    Source: sklearn.metrics.f1_score.
    """
    _, predicted, actual = drawn.outcomes
    found = np.where(predicted + actual > 0, _f1_by_class(drawn), np.nan)
    return mean_of_defined(found.T)


def f1_weighted(drawn: Drawn) -> Floats:
    """As f1_macro, each class weighted by its rows.

    Source: sklearn.metrics.f1_score.
    """
    return (_f1_by_class(drawn) * drawn.outcomes[2]).sum(axis=1) / drawn.n_rows


def mcc(drawn: Drawn) -> Floats:
    """Matthews correlation coefficient, 0 for guesses, 1 for no error.

    Source: sklearn.metrics.matthews_corrcoef; Gorodkin, Comparing two K-category assignments by a
    K-category correlation coefficient (2004).
    """
    right, predicted, actual = drawn.outcomes
    n = drawn.n_rows
    together = right.sum(axis=1) * n - (predicted * actual).sum(axis=1)
    spread = np.square(n) - np.stack([np.square(predicted), np.square(actual)]).sum(axis=2)
    return share_of(together, np.sqrt(np.maximum(spread[0] * spread[1], 0.0)))


def ece(drawn: Drawn) -> Floats:
    """Expected calibration error of the most probable class, in equal-width bins.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017).
    """
    p = drawn.predictions
    assert p.probabilities is not None
    confidence = p.probabilities.max(axis=1)
    gaps = (p.actual == p.probabilities.argmax(axis=1)) - confidence
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    sums = drawn.weights @ (gaps[:, None] * (bins[:, None] == np.arange(N_BINS)))
    return np.abs(sums).sum(axis=1) / drawn.n_rows


def rmse(drawn: Drawn) -> Floats:
    """Root mean squared error, in the target's unit."""
    return np.sqrt(drawn.mean(drawn.predictions.row_losses("rmse")))


def mae(drawn: Drawn) -> Floats:
    """Mean absolute error, in the target's unit."""
    return drawn.mean(drawn.predictions.row_losses("mae"))


def r2(drawn: Drawn) -> Floats:
    """Share of the variance explained; NaN for fewer than two rows or a constant target.

    Source: sklearn.metrics.r2_score.
    """
    actual = drawn.predictions.actual - drawn.predictions.actual.mean()
    variance = drawn.mean(np.square(actual)) - np.square(drawn.mean(actual))
    is_spread = variance > 1e-12 * max(float(np.square(actual).max()), np.finfo(float).tiny)
    errors = drawn.mean(drawn.predictions.row_losses("rmse"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(is_spread, 1 - errors / variance, np.nan)


def median_error(drawn: Drawn) -> Floats:
    """Median absolute error, in the target's unit.

    Source: sklearn.metrics.median_absolute_error.
    """
    errors = drawn.predictions.row_losses("mae")
    order = np.argsort(errors)
    seen = np.cumsum(drawn.weights[:, order], axis=1)
    half = drawn.n_rows[:, None] / 2
    lower, upper = (seen >= half).argmax(axis=1), (seen > half).argmax(axis=1)
    return (errors[order][lower] + errors[order][upper]) / 2


def mape(drawn: Drawn) -> Floats:
    """Mean of the absolute error as a share of the true value; NaN where one of them is 0.

    Source: sklearn.metrics.mean_absolute_percentage_error.
    """
    actual = np.abs(drawn.predictions.actual)
    if not (actual > 0).all():
        return np.full(len(drawn.weights), np.nan)
    return drawn.mean(drawn.predictions.row_losses("mae") / actual)


def pinball(drawn: Drawn) -> Floats:
    """Mean quantile loss over rows and levels, in the target's unit.

    Source: sklearn.metrics.mean_pinball_loss.
    """
    return drawn.mean(drawn.predictions.row_losses("pinball"))


def mean_cost(drawn: Drawn) -> Floats:
    """Mean of what a row costs, by its true and its predicted class."""
    return drawn.mean(drawn.predictions.row_losses("mean_cost"))


CLASSIFICATION: Mapping[str, Metric] = {
    "accuracy": Metric(accuracy),
    "balanced_accuracy": Metric(balanced_accuracy),
    "log_loss": Metric(log_loss, lower_is_better=True),
    "roc_auc": Metric(roc_auc, is_ranked=True),
    "pr_auc": Metric(pr_auc, is_ranked=True),
    "f1_macro": Metric(f1_macro),
    "f1_weighted": Metric(f1_weighted),
    "mcc": Metric(mcc),
    "brier": Metric(brier, lower_is_better=True),
    "ece": Metric(ece, lower_is_better=True),
}
REGRESSION: Mapping[str, Metric] = {
    "rmse": Metric(rmse, lower_is_better=True),
    "mae": Metric(mae, lower_is_better=True),
    "r2": Metric(r2),
    "median_error": Metric(median_error, lower_is_better=True, is_ranked=True),
    "mape": Metric(mape, lower_is_better=True),
}
QUANTILES: Mapping[str, Metric] = {
    "pinball": Metric(pinball, lower_is_better=True),
    "interval_coverage": Metric(interval_coverage),
    "interval_width": Metric(interval_width, lower_is_better=True),
}
CONFORMAL: Mapping[str, Metric] = {
    "conformal_coverage": Metric(conformal_coverage),
    "conformal_size": Metric(conformal_size, lower_is_better=True),
}
COSTS: Mapping[str, Metric] = {"mean_cost": Metric(mean_cost, lower_is_better=True)}
METRICS: Mapping[str, Metric] = {
    **CLASSIFICATION,
    **REGRESSION,
    **QUANTILES,
    **CONFORMAL,
    **COSTS,
}
LOWER_IS_BETTER = frozenset(name for name, metric in METRICS.items() if metric.lower_is_better)


def lower_is_better(name: str) -> bool:
    """Whether less of a metric is better; that of one of several targets is `rmse.price`."""
    return name.partition(".")[0] in LOWER_IS_BETTER


def table_of(predictions: Predictions) -> Mapping[str, Metric]:
    """The metrics of the predictions' task, by name.

    Of several targets the mean over these, then that of each as `rmse.price`.
    """
    if predictions.targets:
        names = [target.name for target in predictions.targets]
        return metrics_of_targets(table_of(predictions.parts[0]), names)
    table = CLASSIFICATION if predictions.probabilities is not None else REGRESSION
    of_levels = {} if predictions.quantiles is None else QUANTILES
    of_regions = {} if predictions.regions is None else CONFORMAL
    of_costs = {} if predictions.costs is None else COSTS
    return {**table, **of_levels, **of_regions, **of_costs}


def measure(
    predictions: Predictions, figures: Mapping[str, Metric] | None = None
) -> dict[str, float]:
    """The metrics, by default all of the task, that are defined for these rows."""
    drawn = Drawn(predictions, predictions.multiples[None])
    table = table_of(predictions) if figures is None else figures
    found = {name: float(metric.build(drawn)[0]) for name, metric in table.items()}
    return {name: value for name, value in found.items() if not np.isnan(value)}
