"""LayerlineClassifier and LayerlineRegressor: networks as estimators of scikit-learn.

They go the way of `layerline.fit`, except that no rows are set aside for testing: who uses
scikit-learn tests with its own splits. Rows for early stopping are split off by the hash of their
content, so that equal rows stay together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from layerline.config import Task
from layerline.errors import LayerlineError
from layerline.estimators.dealt_rows import Given, deal
from layerline.estimators.frame_training import train_table
from layerline.estimators.user_table import named_rows


class LayerlineEstimator(BaseEstimator):
    """What both have in common; None is the default of `layerline init` for the table's size.

    Args:
        network: its name; docs/networks.md has all.
        hidden: the widths of the hidden layers of an MLP.
        dropout: the share of hidden units that is left out at each step.
        learning_rate: of the optimizer.
        weight_decay: of the optimizer.
        batch_size: rows a step.
        epochs: passes through the train rows, at most.
        members: networks that are trained together and averaged; 1 trains a single one.
        valid: the share of rows that early stopping looks at.
        random_state: an integer gives equal results every time.
        train: changes to the section train of params.yaml, nested or dotted.
        scale: the same to the section scale.
        verbose: print what the stages report, and show the progress.

    Attributes:
        model_: a `FittedModel`, whose `history` and `notes` say how the training went.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

    def __init__(
        self,
        *,
        network: str = "mlp",
        hidden: Sequence[int] | None = None,
        dropout: float | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        members: int | None = None,
        valid: float = 0.15,
        random_state: int | np.random.RandomState | None = 0,
        train: Mapping[str, Any] | None = None,
        scale: Mapping[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.members = members
        self.valid = valid
        self.random_state = random_state
        self.train = train
        self.scale = scale
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _train_changes(self) -> dict[str, Any]:
        """The section train as the arguments change it."""
        paths = {
            "options.hidden": self.hidden,
            "options.dropout": self.dropout,
            "optimizer.learning_rate": self.learning_rate,
            "optimizer.weight_decay": self.weight_decay,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
        }
        changes: dict[str, Any] = {path: v for path, v in paths.items() if v is not None}
        # The validation rows are the caller's, or all rows again: folds would train on them.
        changes |= {"folds": None, "members": {"keep": "greedy"}}
        if self.members is not None:
            several = {"count": self.members, "keep": "greedy"}
            changes["members"] = several if self.members > 1 else None
        return {"network": self.network, **changes, **(self.train or {})}

    def _fit(self, given: Given, task: Task) -> None:
        """Train on named rows; mistakes are ValueErrors, as scikit-learn's own."""
        dealt = deal(given, self.valid, task)
        changes = {
            "seed": _seed_of(self.random_state),
            "fetch": {} if dealt.weights is None else {"weights": dealt.weights},
            "train": self._train_changes(),
            "scale": self.scale or {},
            "validate": {"min_class_rows": 1},
            # Fitted on the very rows that were trained on, it would only sharpen.
            "evaluate": {"temperature": not dealt.is_small},
        }
        try:
            self.model_ = train_table(
                dealt.table, dealt.target, changes, task=task, verbose=self.verbose
            )
        except LayerlineError as error:
            raise ValueError(str(error)) from error

    def _predict(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self)
        rows = self._named(validate_data(self, X, reset=False, **_checks_of(X)))
        try:
            return self.model_.model.in_float64().predict(rows, any_value=True)
        except LayerlineError as error:
            raise ValueError(str(error)) from error

    def _named(self, X: Any) -> pd.DataFrame:
        """Rows with the names of the first fit, by position: x0, x1, ... where it had none."""
        rows = named_rows(X)
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            names = [f"x{place}" for place in range(rows.shape[1])]
        return rows.set_axis(list(names), axis=1)


class LayerlineClassifier(ClassifierMixin, LayerlineEstimator):
    """A classifier by one or several networks; `LayerlineEstimator` explains its parameters.

    Attributes:
        classes_: the labels, in the order of `predict_proba`.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LayerlineClassifier":
        """Train on rows X, a DataFrame or an array of numbers, and their labels y (B,).

        `sample_weight` (B,), numbers of at least 0, is what each row counts.

        Raises:
            ValueError: a parameter, the rows, the labels or the weights are wrong.
        """
        X, y = validate_data(self, X, y, **_checks_of(X, is_fit=True))
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        given = Given(self._named(X), labels).weighed(sample_weight)
        self.classes_, codes = np.unique(given.target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds only one class, {self.classes_.tolist()[0]!r}; give at least two"
            )
        task: Task = "binary" if len(self.classes_) == 2 else "multiclass"
        self._fit(given._replace(target=codes), task)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """(B,) the label of each row."""
        codes = self._predict(X)["prediction"].to_numpy(dtype=np.int64)
        return np.asarray(self.classes_)[codes]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(B, K) the probability of each class, in the order of `classes_`."""
        return self._predict(X).iloc[:, 1 : 1 + len(self.classes_)].to_numpy(dtype=np.float64)


class LayerlineRegressor(RegressorMixin, LayerlineEstimator):
    """A regression by one or several networks; `LayerlineEstimator` explains its parameters."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LayerlineRegressor":
        """Train on rows X, a DataFrame or an array of numbers, and their numbers y (B,).

        `sample_weight` (B,), numbers of at least 0, is what each row counts.

        Raises:
            ValueError: a parameter, the rows, the numbers or the weights are wrong.
        """
        numeric = {} if isinstance(X, pd.DataFrame) else {"y_numeric": True}
        X, y = validate_data(self, X, y, **_checks_of(X, is_fit=True), **numeric)
        target = column_or_1d(y, warn=True, dtype=np.float64)
        self._fit(Given(self._named(X), target).weighed(sample_weight), "regression")
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(B,) the number of each row, in the unit of y."""
        return self._predict(X)["prediction"].to_numpy(dtype=np.float64)


def _checks_of(X: Any, *, is_fit: bool = False) -> dict[str, Any]:
    """What scikit-learn checks: arrays are numbers; of frames the schema knows more."""
    if isinstance(X, pd.DataFrame):
        return {"skip_check_array": True}
    return {
        "dtype": np.float64,
        "ensure_all_finite": "allow-nan",
        "ensure_min_samples": 2 if is_fit else 1,
    }


def _seed_of(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
