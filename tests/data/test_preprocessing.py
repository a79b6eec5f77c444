"""The frozen preprocessor does what scikit-learn does, never sees a test row, and comes back."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.preprocessing as reference
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer

from layerline.config import ScaleSection
from layerline.data.preprocessing.fitting import fit_images, fit_preprocessor
from layerline.data.preprocessing.preprocessor import Preprocessor
from layerline.data.preprocessing.scalers import SCALERS, Affine
from layerline.data.schema.columns import ColumnSpec
from layerline.errors import DataError

REFERENCES = {
    "standard": reference.StandardScaler,
    "minmax": reference.MinMaxScaler,
    "maxabs": reference.MaxAbsScaler,
    "robust": reference.RobustScaler,
}
COLUMNS = (
    ColumnSpec("age", "number", "int64"),
    ColumnSpec("income", "number", "float64", nullable=True),
    ColumnSpec("city", "category", "str", nullable=True, levels=("Bonn", "Ulm")),
    ColumnSpec("since", "date", "datetime64[us]"),
    ColumnSpec("note", "text", "str", use=False),
    ColumnSpec("price", "number", "float64"),
)


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [30, 40, 50, 60],
            "income": [1.5, np.nan, 2.5, 100.0],
            "city": ["Ulm", None, "Bonn", "Ulm"],
            "since": pd.to_datetime(["1970-01-02", "1970-01-03", "1970-01-05", "1970-01-09"]),
            "note": ["a", "b", "c", "d"],
            "price": [10.0, 20.0, 30.0, 60.0],
        }
    )


def fitted(**changes: Any) -> Preprocessor:
    section = ScaleSection(**changes)
    return fit_preprocessor(
        table(), COLUMNS, section, target="price", task="regression", classes=None
    )


def test_features_have_names_in_order() -> None:
    assert fitted().features == [
        "age",
        "income",
        "since",
        "income is missing",
        "city=Bonn",
        "city=Ulm",
        "city is missing",
    ]
    assert fitted().input_columns == ["age", "income", "since", "city"]


@pytest.mark.parametrize("name", SCALERS)
def test_every_scaler_agrees_with_scikit_learn_and_inverts(name: str) -> None:
    x = np.random.default_rng(0).normal(3, [1, 10, 1e-3, 1e6], (500, 4))
    affine = SCALERS[name](x)
    z = affine.apply(x)
    if name in REFERENCES:
        np.testing.assert_allclose(z, REFERENCES[name]().fit(x).transform(x), atol=1e-6)
    assert np.abs(z).max() <= 3 if affine.clip else True
    np.testing.assert_allclose(affine.invert(z), x, rtol=1e-6)


@pytest.mark.parametrize("name", SCALERS)
def test_a_constant_column_stays_finite(name: str) -> None:
    assert np.isfinite(SCALERS[name](np.full((5, 1), 7.0)).apply(np.array([[7.0], [8.0]]))).all()


@pytest.mark.parametrize("missing", ["median", "mean", "zero", "most_frequent"])
def test_gaps_are_filled_as_scikit_learn_does(missing: Any) -> None:
    income = table()[["income"]].to_numpy()
    strategy = {"zero": "constant"}.get(missing, missing)
    expected = SimpleImputer(strategy=strategy, fill_value=0 if missing == "zero" else None)
    x = fitted(missing=missing, numeric="none").transform(table())
    np.testing.assert_allclose(x[:, 1:2], expected.fit_transform(income), rtol=1e-6)
    np.testing.assert_array_equal(x[:, 3], [0, 1, 0, 0])


def test_categories_are_one_hot_and_what_is_new_is_all_zeros() -> None:
    new = table().assign(city=["Ulm", None, "Köln", "Bonn"])
    np.testing.assert_array_equal(
        fitted().transform(new)[:, 4:], [[0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    )


def test_dates_are_days() -> None:
    np.testing.assert_array_equal(fitted(numeric="none").transform(table())[:, 2], [1, 2, 4, 8])


def test_columns_are_found_by_name_in_any_order_among_others() -> None:
    preprocessor = fitted()
    moved = table()[["note", "city", "since", "income", "age"]].assign(extra=1)
    np.testing.assert_array_equal(preprocessor.transform(moved), preprocessor.transform(table()))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table().drop(columns="city"), "'city' is not in the data"),
        (table().assign(age=["x", "1", "2", "3"]), "'age' must hold numbers"),
    ],
)
def test_what_cannot_be_transformed_is_told(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fitted().transform(frame)


def test_regression_targets_are_standardised_and_given_back() -> None:
    preprocessor = fitted()
    z = preprocessor.encode_target(table()["price"])
    assert z.mean() == pytest.approx(0, abs=1e-6)
    assert z.std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(preprocessor.decode_target(z), table()["price"], rtol=1e-6)


@pytest.mark.parametrize("classes", [("no", "yes"), (0, 1, 2), (False, True)])
def test_classes_are_their_index(classes: tuple[Any, ...]) -> None:
    preprocessor = Preprocessor("t", "multiclass", classes)
    target = pd.Series([classes[1], classes[0], classes[1]])
    np.testing.assert_array_equal(preprocessor.encode_target(target), [1, 0, 1])
    with pytest.raises(DataError, match="a class that is not in"):
        preprocessor.encode_target(pd.Series(["other"]))


@pytest.mark.parametrize("changes", [{}, {"numeric": "robust_clip"}, {"missing_indicator": False}])
def test_it_comes_back_from_json_exactly(changes: dict[str, Any]) -> None:
    preprocessor = fitted(**changes)
    state = json.loads(json.dumps(preprocessor.to_json()))
    assert Preprocessor.from_json(state) == preprocessor


def test_images_are_scaled_by_channel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)
    preprocessor = fit_images(images, target="t", task="multiclass", classes=(0, 1))
    x = preprocessor.transform_images(images)
    assert x.shape == (50, 3, 6, 5)
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, atol=1e-5)
    state = json.loads(json.dumps(preprocessor.to_json()))
    assert Preprocessor.from_json(state) == preprocessor
    with pytest.raises(DataError, match=r"images must be \(6, 5, 3\)"):
        preprocessor.transform_images(images[:, :5])


def test_a_column_without_a_train_value_is_told() -> None:
    frame = table().assign(income=np.nan)
    with pytest.raises(DataError, match="'income' has no value in any train row"):
        fit_preprocessor(
            frame, COLUMNS, ScaleSection(), target="price", task="regression", classes=None
        )


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.booleans(),
)
def test_affine_inverts(values: list[float], center: float, scale: float, clip: bool) -> None:
    affine = Affine((center,), (scale,), clip)
    x = np.array(values)[:, None]
    near = x[np.abs(x - center) < 100 * scale][:, None] if clip else x  # far out the clip saturates
    back = affine.invert(affine.apply(near))
    np.testing.assert_allclose(back, near, rtol=1e-6, atol=1e-6 * (abs(center) + scale))
