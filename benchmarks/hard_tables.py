"""Tables that break models, beside logistic or ridge regression: the defaults of `layerline init`.

    python benchmarks/hard_tables.py [--deals 5] [--only "an outlier" ...]

Each table is made here or comes with scikit-learn. A quarter of its rows judges (all but 40 of the
tables of 40 rows), dealt anew for each deal; Layerline parts the rest into train and valid, the
linear model is fitted on all of it, standardised and one-hot coded, its penalty chosen by
cross-validation. Means over deals.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeCV
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from layerline.estimators.fitted_model import FittedModel
from layerline.estimators.frame_training import fit

PENALTIES = np.logspace(-2, 4, 13)
LEAST_SHARE = 1e-15
SOME_CLASSES = 20  # more take logistic regression minutes for each penalty


def named(x: Any, y: Any) -> pd.DataFrame:
    frame = pd.DataFrame(np.asarray(x), columns=[f"x{i}" for i in range(np.shape(x)[1])])
    labels = pd.Series(y)
    return frame.assign(y=labels if labels.dtype == float else labels.map(lambda k: f"class {k}"))


def cancer() -> pd.DataFrame:
    return named(*load_breast_cancer(return_X_y=True))


def diabetes() -> pd.DataFrame:
    return named(*load_diabetes(return_X_y=True))


def with_outlier(frame: pd.DataFrame) -> pd.DataFrame:
    """The first value of the first column a million times its largest."""
    values = frame["x0"].copy()
    values.iloc[0] = 1e6 * values.abs().max()
    return frame.assign(x0=values)


def with_ids(frame: pd.DataFrame) -> pd.DataFrame:
    order = np.random.default_rng(0).permutation(len(frame))
    return frame.assign(number=order + 100_000, key=[f"customer-{n:06d}" for n in order])


def classes(n_rows: int, n_columns: int, **how: Any) -> pd.DataFrame:
    return named(*make_classification(n_rows, n_columns, random_state=0, **how))


def numbers(n_rows: int, n_columns: int, **how: Any) -> pd.DataFrame:
    return named(*make_regression(n_rows, n_columns, random_state=0, **how))


TABLES: Mapping[str, Callable[[], pd.DataFrame]] = {
    "an outlier, two classes": lambda: with_outlier(cancer()),
    "an outlier, a number": lambda: with_outlier(diabetes()),
    "a constant column": lambda: diabetes().assign(x99=4.2),
    "two columns of ids": lambda: with_ids(cancer()),
    "5,000 columns, 300 rows, two classes": lambda: classes(300, 5000, n_informative=20),
    "5,000 columns, 300 rows, a number": lambda: numbers(300, 5000, n_informative=20, noise=10.0),
    "40 rows, two classes": cancer,
    "40 rows, a number": diabetes,
    "1 % positives": lambda: classes(5000, 20, n_informative=6, weights=[0.99], flip_y=0.002),
    "200 classes": lambda: classes(
        10_000, 30, n_informative=20, n_classes=200, n_clusters_per_class=1, class_sep=2.0
    ),
    "a target of 1e9": lambda: diabetes().assign(y=lambda frame: 1e9 * frame["y"]),
}
LEARNING = {"40 rows, two classes": 40, "40 rows, a number": 40}  # rows; else three quarters


def linear(frame: pd.DataFrame) -> Pipeline:
    """Logistic or ridge regression."""
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number)),
    )
    if pd.api.types.is_numeric_dtype(frame["y"]):
        return make_pipeline(columns, RidgeCV(PENALTIES))
    if frame["y"].nunique() > SOME_CLASSES:
        return make_pipeline(columns, LogisticRegression(max_iter=300))
    strengths = 1 / PENALTIES[::2]
    return make_pipeline(
        columns,
        LogisticRegressionCV(
            Cs=strengths,
            scoring="neg_log_loss",
            max_iter=1000,
            use_legacy_attributes=False,
            l1_ratios=(0,),
        ),
    )


def loss(model: Any, judging: pd.DataFrame) -> float:
    """Log loss or RMSE."""
    x, y = judging.drop(columns="y"), judging["y"]
    is_own = isinstance(model, FittedModel)
    if pd.api.types.is_numeric_dtype(y):
        return float(root_mean_squared_error(y, model.predict(x)))
    classes: list[Any] = list(getattr(model, "classes" if is_own else "classes_"))
    shares = np.asarray(model.predict_proba(x))[np.arange(len(y)), [classes.index(k) for k in y]]
    return float(-np.log(np.maximum(shares, LEAST_SHARE)).mean())


def deals(
    frame: pd.DataFrame, n: int, n_learning: int | None = None
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Rows to learn from, the first among them (predict refuses an outlier), and to judge."""
    for seed in range(n):
        order = 1 + np.random.default_rng(seed).permutation(len(frame) - 1)
        n_judging = len(frame) // 4 if n_learning is None else len(frame) - n_learning
        yield frame.iloc[[0, *order[n_judging:]]], frame.iloc[order[:n_judging]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deals", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(TABLES), choices=list(TABLES))
    options = parser.parse_args()
    print("| table | loss | Layerline | linear | ratio | won | seconds | linear |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in options.only:
        frame = TABLES[name]()
        found = []
        for rest, judging in deals(frame, options.deals, LEARNING.get(name)):
            began = time.perf_counter()
            own = loss(fit(rest.reset_index(drop=True), "y"), judging)
            between = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = linear(rest).fit(rest.drop(columns="y"), rest["y"])
            found.append(
                (own, loss(model, judging), between - began, time.perf_counter() - between)
            )
        own, other, seconds, others = np.mean(found, axis=0)
        won = sum(one[0] <= one[1] for one in found)
        kind = "RMSE" if pd.api.types.is_numeric_dtype(frame["y"]) else "log loss"
        print(
            f"| {name} | {kind} | {own:.4g} | {other:.4g} | {own / other:.2f} "
            f"| {won} of {len(found)} | {seconds:.1f} | {others:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
