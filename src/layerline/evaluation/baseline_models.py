"""scikit-learn's models with default settings, and what they predict for the test rows.

To add one: a line in CLASSIFIERS and one in REGRESSORS, and its name in
`EvaluateSection.baselines`.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.evaluation.decision import Decision
from layerline.evaluation.predictions import Predictions
from layerline.scaling.preprocessing.target_transforms import NO_CURVE
from layerline.tables.targets import TargetColumn


def _majority_classes(n_codes: int) -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _mean(n_codes: int) -> Any:
    from sklearn.dummy import DummyRegressor

    return DummyRegressor()


def _linear_classes(n_codes: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return _with_codes(LogisticRegression(max_iter=300), n_codes)


def _linear_numbers(n_codes: int) -> Any:
    from sklearn.linear_model import Ridge

    return _with_codes(Ridge(), n_codes)


def _with_codes(model: Any, n_codes: int) -> Any:
    """One-hot encode the last `n_codes` columns, category codes, for a linear model."""
    if not n_codes:
        return model
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    codes = list(range(-n_codes, 0))
    return make_pipeline(make_column_transformer((one_hot, codes), remainder="passthrough"), model)


def _boosted_classes(n_codes: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)


def _boosted_numbers(n_codes: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(random_state=0)


CLASSIFIERS: Mapping[str, Callable[[int], Any]] = {
    "majority": _majority_classes,
    "linear": _linear_classes,
    "gradient_boosting": _boosted_classes,
}
REGRESSORS: Mapping[str, Callable[[int], Any]] = {
    "majority": _mean,
    "linear": _linear_numbers,
    "gradient_boosting": _boosted_numbers,
}


def predict_baseline(
    name: str,
    n_codes: int,
    x: Mapping[str, NDArray[np.float32]],
    y: tuple[NDArray[Any], NDArray[Any]],
    about: Mapping[str, Any],
) -> Predictions:
    """What a baseline predicts for the test rows.

    Args:
        name: of the tables above.
        n_codes: how many of the last columns are codes of categories.
        x: (B, F) of train and test.
        y: targets of train and test.
        about: classes and costs, the target's unit, or several targets.
    """
    train, test = y
    if "targets" in about:
        return _predict_targets(name, n_codes, x, y, about["targets"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not fully converged is good enough for a yardstick
        if about["classes"] is None:
            model = REGRESSORS[name](n_codes).fit(x["train"], train)
            scale, center = about["target_scale"], about["target_center"]
            guess = model.predict(x["test"]).astype(np.float64)
            actual = about["actual"]
            if actual is None:
                actual = test.astype(np.float64) * scale + center
            return Predictions(actual, about["curve"].restore(guess * scale + center))
        model = CLASSIFIERS[name](n_codes).fit(x["train"], train)
        probabilities = np.zeros((len(test), len(about["classes"])))
        probabilities[:, model.classes_] = model.predict_proba(x["test"])
    decision = Decision(costs=about["costs"])
    chosen = decision.choose(probabilities)
    return Predictions(test, chosen, probabilities, costs=decision.matrix)


def _predict_targets(
    name: str,
    n_codes: int,
    x: Mapping[str, NDArray[np.float32]],
    y: tuple[NDArray[Any], NDArray[Any]],
    targets: tuple[TargetColumn, ...],
) -> Predictions:
    """A baseline for each of several targets."""
    single: list[Predictions] = []
    for place, target in enumerate(targets):
        own = (y[0][:, place], y[1][:, place])
        about: dict[str, Any] = {"classes": None, "curve": NO_CURVE, "actual": None, "costs": None}
        if target.levels is None:
            about |= {"target_scale": target.scale, "target_center": target.center}
        else:
            about["classes"], own = [0, 1], (own[0].astype(np.int64), own[1].astype(np.int64))
        single.append(predict_baseline(name, n_codes, x, own, about))
    actual, predicted = (
        np.stack([getattr(one, kind) for one in single], axis=1) for kind in ("actual", "predicted")
    )
    shares = [one.probabilities[:, 1] for one in single if one.probabilities is not None]
    together = np.stack(shares, axis=1) if shares else None
    return Predictions(actual, predicted, together, targets=targets)
