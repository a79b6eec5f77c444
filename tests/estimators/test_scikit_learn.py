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
    weights = {"check_sample_weight_equivalence_on_dense_data": "dropout and means know no weights"}
    results = check_estimator(estimator(**SMALL), on_skip=None, expected_failed_checks=weights)
    assert {result["status"] for result in results} <= {"passed", "skipped", "xfail"}
    assert [r["check_name"] for r in results if r["status"] == "xfail"] == list(weights)
    assert len(results) > 48


@pytest.mark.parametrize("estimator", [LayerlineClassifier, LayerlineRegressor])
def test_a_weight_is_as_many_rows(estimator) -> None:
    # What draws from the number of rows, or knows no weights, is left out: then it is exact.
    plain = {"dropout": 0.0, "batch_size": 99, "scale": {"numeric": "none", "target": "none"}}
    given = SMALL | plain | {"train": {"options.numeric_embeddings": "none"}}
    random = np.random.default_rng(0)
    x, counts = random.normal(size=(40, 3)), random.integers(0, 3, 40)
    y = (x[:, 0] > 0).astype(int) if estimator is LayerlineClassifier else 2 * x[:, 0]

    def fitted(x, y, **more):
        model = estimator(**given).fit(x, y, **more)
        return model.predict_proba(x) if estimator is LayerlineClassifier else model.predict(x)

    weighted = fitted(x, y, sample_weight=counts)[np.repeat(np.arange(40), counts)]
    plainly = fitted(np.repeat(x, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted, plainly, atol=1e-4)
    assert (fitted(x, y, sample_weight=np.full(40, 0.1)) == fitted(x, y)).all()


def test_weights_in_searches_and_mistakes_in_them() -> None:
    frame, rent = flats(120)
    weights = pd.Series(np.linspace(0, 1, 120))
    search = GridSearchCV(LayerlineRegressor(**SMALL), {"epochs": [2]}, cv=2, error_score="raise")
    found = search.fit(frame, rent, sample_weight=weights).best_estimator_
    assert set(found.model_.columns) == set(frame)
    model = LayerlineRegressor(**SMALL)
    mistakes = {"Negative": weights - 0.5, "shape": weights[:3], "zero": 0 * weights}
    for message, wrong in mistakes.items():
        with pytest.raises(ValueError, match=message):
            model.fit(frame, rent, sample_weight=wrong)
    model.set_params(train={"early_stopping.metric": "mae"})
    with pytest.raises(ValueError, match=r"early_stopping\.metric: rows have weights"):
        model.fit(frame, rent, sample_weight=weights)


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
