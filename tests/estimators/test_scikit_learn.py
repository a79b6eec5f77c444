"""The estimators pass scikit-learn's own checks, and work in its tools."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from layerline import LayerlineClassifier, LayerlineRegressor

SMALL = {"members": 1, "hidden": [16], "epochs": 40, "batch_size": 32, "learning_rate": 0.02}


@pytest.mark.parametrize("estimator", [LayerlineClassifier, LayerlineRegressor])
def test_checks_of_scikit_learn(estimator) -> None:
    results = check_estimator(estimator(**SMALL), on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}
    assert len(results) > 40


def flats(n: int = 200) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "area": np.where(np.arange(n) % 11 == 0, np.nan, random.uniform(30, 150, n)),
            "heating": random.choice(["gas", "pump"], n),
            "built": pd.Timestamp("1950-01-01")
            + pd.to_timedelta(random.integers(0, 20000, n), "D"),
        }
    )
    rent = frame["area"].fillna(90) * 9 + 200 * (frame["heating"] == "pump")
    return frame, rent


def test_frames_with_text_dates_and_gaps() -> None:
    frame, rent = flats()
    regressor = LayerlineRegressor(**SMALL | {"epochs": 80}).fit(frame, rent)
    assert regressor.score(frame, rent) > 0.8
    assert list(regressor.feature_names_in_) == list(frame.columns)
    unseen = frame.head(2).assign(heating=["coal", None], area=[np.nan, 5000.0])
    assert np.isfinite(regressor.predict(unseen)).all()
    with pytest.raises(ValueError, match="feature names"):
        regressor.predict(frame.rename(columns={"area": "size"}))


def test_labels_come_back_as_they_are() -> None:
    frame, rent = flats()
    labels = np.where(rent > 900, "dear", "cheap")
    classifier = LayerlineClassifier(**SMALL).fit(frame, labels)
    assert list(classifier.classes_) == ["cheap", "dear"]
    assert set(classifier.predict(frame)) <= {"cheap", "dear"}
    assert classifier.score(frame, labels) > 0.8
    chosen = classifier.classes_[classifier.predict_proba(frame).argmax(axis=1)]
    assert (chosen == classifier.predict(frame)).all()


def test_searches_and_pipelines() -> None:
    frame, rent = flats(120)
    x = frame[["area"]].fillna(90).to_numpy()
    pipeline = make_pipeline(StandardScaler(), LayerlineRegressor(**SMALL))
    assert cross_val_score(pipeline, x, rent, cv=2, error_score="raise").shape == (2,)
    grid = {"epochs": [1, 30], "learning_rate": np.logspace(-3, -1.7, 1)}
    search = GridSearchCV(LayerlineRegressor(**SMALL), grid, cv=2, error_score="raise")
    search.fit(frame, rent)
    assert search.best_params_["epochs"] == 30
    assert search.best_estimator_.model_.params["train"]["epochs"] == 30


def test_params_of_train_and_mistakes() -> None:
    frame, rent = flats(80)
    given = LayerlineRegressor(**SMALL, train={"optimizer.name": "adam", "loss": "huber"})
    model = clone(given).set_params(epochs=1).fit(frame, rent).model_
    assert model.params["train"]["loss"] == "huber"
    assert model.params["train"]["optimizer"]["name"] == "adam"
    with pytest.raises(ValueError, match=r"train\.batch_size"):
        LayerlineRegressor(batch_size=0).fit(frame, rent)
    with pytest.raises(ValueError, match="may not be named 'split'"):
        LayerlineRegressor().fit(frame.rename(columns={"area": "split"}), rent)
    with pytest.raises(ValueError, match="only one class, 1"):
        LayerlineClassifier().fit(frame, np.ones(80, dtype=int))


def test_a_random_state_decides() -> None:
    frame, rent = flats(80)
    given = SMALL | {"epochs": 2}
    first, second = (LayerlineRegressor(**given).fit(frame, rent).predict(frame) for _ in range(2))
    other = LayerlineRegressor(**given, random_state=np.random.RandomState(3)).fit(frame, rent)
    assert (first == second).all()
    assert (first != other.predict(frame)).any()
