"""The frozen preprocessor does what scikit-learn does, never sees a test row, and comes back."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.preprocessing as reference
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer

from layerline.columns.spec import ColumnSpec
from layerline.config import Component, ScaleSection
from layerline.errors import DataError, ParamsError
from layerline.scaling.preprocessing.categories import Category
from layerline.scaling.preprocessing.dates import DATES
from layerline.scaling.preprocessing.encoders import ENCODERS, target_columns
from layerline.scaling.preprocessing.fit_preprocessor import fit_images, fit_preprocessor
from layerline.scaling.preprocessing.imputers import IMPUTERS
from layerline.scaling.preprocessing.numbers import fit_numbers
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.scalers import (
    KINDS,
    SCALERS,
    Affine,
    Own,
    Power,
    read_transform,
)
from layerline.scaling.preprocessing.target_transforms import TARGETS

REFERENCES = {
    "standard": reference.StandardScaler(),
    "minmax": reference.MinMaxScaler(),
    "maxabs": reference.MaxAbsScaler(),
    "robust": reference.RobustScaler(),
    "quantile": reference.QuantileTransformer(
        n_quantiles=300, output_distribution="normal", subsample=None
    ),
    "power": reference.PowerTransformer(),
    "none": reference.FunctionTransformer(),
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
    generator = np.random.default_rng(0)
    x = generator.normal(3, [1, 10, 1e-3, 1e6, 1, 1], (300, 6))
    x[:, 4] = generator.lognormal(0, 1, 300)
    x[:, 5] = x[:, 5].round()  # many equal values
    options = {"quantiles": 300} if name == "quantile" else {}
    transform = SCALERS[name].build(x, **options)
    z = transform.apply(x)
    if name in REFERENCES:
        new = generator.normal(3, [2, 20, 2e-3, 2e6, 1, 2], (300, 6))
        fitted = REFERENCES[name].fit(x)
        np.testing.assert_allclose(z, fitted.transform(x), atol=1e-6)
        np.testing.assert_allclose(transform.apply(new), fitted.transform(new), atol=1e-6)
        np.testing.assert_allclose(transform.invert(z), fitted.inverse_transform(z), rtol=1e-6)
    np.testing.assert_allclose(transform.invert(z), x, rtol=1e-6, atol=1e-9)
    state = json.loads(json.dumps(transform.to_json()))
    assert read_transform(state) == transform


def test_the_table_of_scalers_is_compared_with_scikit_learn() -> None:
    assert set(SCALERS) - set(REFERENCES) == {"robust_clip"}
    x = np.random.default_rng(0).normal(0, 5, (100, 2))
    assert {type(SCALERS[name].build(x)) for name in SCALERS} == set(KINDS.values()) - {Own}
    assert np.abs(SCALERS["robust_clip"].build(x).apply(1e9 * x)).max() <= 3


def test_uniform_quantiles_agree_with_scikit_learn() -> None:
    x = np.random.default_rng(0).integers(0, 30, (500, 2)).astype(float)
    fitted = reference.QuantileTransformer(n_quantiles=100, subsample=None).fit(x)
    ours = SCALERS["quantile"].build(x, output="uniform", quantiles=100)
    np.testing.assert_allclose(ours.apply(x - 3), fitted.transform(x - 3), atol=1e-6)


@pytest.mark.parametrize("power", [-1.5, 0.0, 1.0, 2.0, 3.0])
def test_every_power_is_undone(power: float) -> None:
    transform = Power((power,), (0.5,), (2.0,))
    x = np.linspace(-5, 5, 101)[:, None]
    np.testing.assert_allclose(transform.invert(transform.apply(x)), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SCALERS)
def test_a_constant_column_stays_finite(name: str) -> None:
    assert np.isfinite(
        SCALERS[name].build(np.full((5, 1), 7.0)).apply(np.array([[7.0], [8.0]]))
    ).all()


def test_columns_may_be_scaled_and_filled_each_in_its_way() -> None:
    preprocessor = fitted(
        numeric={"columns": {"income": {"name": "quantile", "output": "uniform"}, "since": "none"}},
        missing={"default": "mean", "columns": {"income": {"name": "constant", "value": 100}}},
    )
    x = preprocessor.transform(table())
    np.testing.assert_allclose(x[:, 0], fitted().transform(table())[:, 0])
    np.testing.assert_allclose(x[:, 1], [0, 1, 1 / 3, 1], atol=1e-6)
    np.testing.assert_array_equal(x[:, 2], [1, 2, 4, 8])
    state = json.loads(json.dumps(preprocessor.to_json()))
    assert Preprocessor.from_json(state) == preprocessor


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numeric": {"columns": {"incme": "none"}}}, "incme: no number .* did you mean 'income'"),
        ({"categorical": {"columns": {"age": "target"}}}, "columns.age: no category column"),
        ({"dates": {"columns": {"age": "parts"}}}, "columns.age: no date column"),
    ],
)
def test_a_choice_for_a_column_that_is_not_there_is_reported(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        fitted(**changes)


def test_many_columns_are_fitted_block_by_block_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(0).lognormal(0, 1, (1001, 10))
    frame = pd.DataFrame(values, columns=list("abcdefghij"))
    whole = fit_numbers(frame, list(frame), ScaleSection())
    monkeypatch.setattr("layerline.scaling.preprocessing.numbers.FIT_VALUES", 1)
    blocks = fit_numbers(frame, list(frame), ScaleSection())
    assert [len(part.columns) for part in blocks.scaled] == [3, 3, 2, 2]
    np.testing.assert_array_equal(whole.apply_values(values), blocks.apply_values(values))
    assert whole.fill == blocks.fill


@pytest.mark.parametrize("missing", [name for name in IMPUTERS if name != "constant"])
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


def cities(n_rows: int = 200) -> tuple[pd.Series, np.ndarray]:
    generator = np.random.default_rng(0)
    names = generator.choice(list("abcdefg"), n_rows, p=[0.4, 0.3, 0.1, 0.1, 0.06, 0.02, 0.02])
    return pd.Series(names, name="city"), generator.integers(0, 3, n_rows)


@pytest.mark.parametrize("options", [{}, {"min_count": 8}, {"max_levels": 3}, {"min_count": 30}])
def test_rare_levels_are_those_of_scikit_learn(options: dict[str, int]) -> None:
    column, _ = cities()
    names = {"min_count": "min_frequency", "max_levels": "max_categories"}
    expected = reference.OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
        **{names[key]: value for key, value in options.items()},
    ).fit(column.to_frame())
    new = pd.Series([*column[:50], "never seen"], name="city")
    ours = ENCODERS["one_hot"].build(column, np.empty((len(column), 0)), **options)
    np.testing.assert_array_equal(ours.apply(new), expected.transform(new.to_frame()))
    assert ("city is rare" in ours.features) == bool(options)


@pytest.mark.parametrize("n_classes", [2, 3, None])
def test_target_means_are_those_of_scikit_learn(n_classes: int | None) -> None:
    column, y = cities()
    y = y % (n_classes or 3)
    kind = {2: "binary", 3: "multiclass", None: "continuous"}[n_classes]
    expected = reference.TargetEncoder(target_type=kind).fit(column.to_frame(), y)
    ours = ENCODERS["target"].build(column, target_columns(y, n_classes))
    new = pd.Series([*column, "never seen"], name="city")
    np.testing.assert_allclose(ours.apply(new), expected.transform(new.to_frame()), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"min_count": 8}])
def test_levels_and_target_means_stand_side_by_side(options: dict[str, int]) -> None:
    column, y = cities()
    columns = target_columns(y, 3)
    both = ENCODERS["one_hot_target"].build(column, columns, **options)
    levels = ENCODERS["one_hot"].build(column, columns, **options)
    means = ENCODERS["target"].build(column, columns, **options)
    new = pd.Series([*column, "never seen"], name="city")
    found = pd.DataFrame(both.apply(new), columns=both.features)
    np.testing.assert_array_equal(found[levels.features], levels.apply(new))
    np.testing.assert_array_equal(found[means.features], means.apply(new))
    assert found[[*levels.features, *means.features]].columns.is_unique
    beside = set(found.columns) - {*levels.features, *means.features}
    assert beside == (set() if options else {"city is new"})
    assert Category.from_json(json.loads(json.dumps(dataclasses.asdict(both)))) == both


def test_codes_come_last_and_what_is_new_has_a_code_of_its_own() -> None:
    columns = (
        ColumnSpec("soil", "category", "str", levels=("a", "b")),
        ColumnSpec("city", "category", "str", levels=("x", "y")),
        ColumnSpec("age", "number", "float64"),
        ColumnSpec("t", "category", "str", levels=("no", "yes")),
    )
    frame = pd.DataFrame(
        {"soil": ["a", "b", "b"], "city": ["x", "y", None], "age": [1.0, 2, 3], "t": list("nyn")}
    )
    section = ScaleSection(
        categorical={"default": "embedding", "columns": {"city": "one_hot"}}, numeric="none"
    )
    preprocessor = fit_preprocessor(
        frame, columns, section, target="t", task="binary", classes=("n", "y")
    )
    assert preprocessor.features == ["age", "city=x", "city=y", "city is missing", "soil"]
    assert preprocessor.category_sizes == (3,)
    new = frame.assign(soil=["b", "c", None])
    np.testing.assert_array_equal(preprocessor.transform(new)[:, -1], [1, 2, 2])
    assert preprocessor.input_columns == ["age", "city", "soil"]


def test_free_text_is_refused_with_advice() -> None:
    columns = [dataclasses.replace(c, use=True) for c in COLUMNS]
    with pytest.raises(DataError, match=r"'note' is free text.*`use: false`.*kind: category"):
        fit_preprocessor(
            table(), columns, ScaleSection(), target="price", task="regression", classes=None
        )


@pytest.mark.parametrize("name", DATES)
def test_dates_give_finite_features_also_for_gaps_and_zones(name: str) -> None:
    preprocessor = fitted(dates=name)
    x = preprocessor.transform(table())
    assert x.shape[1] == len(preprocessor.features)
    zoned = table().assign(since=table()["since"].dt.tz_localize("UTC"))
    np.testing.assert_array_equal(preprocessor.transform(zoned), x)
    gap = table().assign(since=pd.Series([pd.NaT] * 4, dtype="datetime64[us]"))
    assert np.isfinite(preprocessor.transform(gap)).all()
    state = json.loads(json.dumps(preprocessor.to_json()))
    assert Preprocessor.from_json(state) == preprocessor


def test_date_parts_are_calendar_numbers() -> None:
    frame = table().assign(
        since=pd.to_datetime(["2024-02-29 06:00", None, "2023-12-31 00:00", None])
    )
    preprocessor = fit_preprocessor(
        frame,
        COLUMNS,
        ScaleSection(dates="parts", numeric="none"),
        target="price",
        task="regression",
        classes=None,
    )
    names = [f"since {part}" for part in ("year", "month", "day", "weekday", "hour")]
    places = [preprocessor.features.index(name) for name in (*names, "since is missing")]
    x = preprocessor.transform(frame)[:, places]
    np.testing.assert_array_equal(x[0], [2024, 2, 29, 3, 6, 0])
    np.testing.assert_array_equal(x[2], [2023, 12, 31, 6, 0, 0])
    np.testing.assert_array_equal(x[1], [2023.5, 7, 30, 4.5, 3, 1])


def test_a_calendar_is_days_month_weekday_and_hour() -> None:
    frame = table().assign(since=pd.to_datetime(["2024-02-29 06:00", "1970-01-01 00:00"] * 2))
    preprocessor = fit_preprocessor(
        frame,
        COLUMNS,
        ScaleSection(dates="calendar", numeric="none"),
        target="price",
        task="regression",
        classes=None,
    )
    first = preprocessor.features.index("since days")
    assert preprocessor.features[first + 1 : first + 4] == [
        "since month",
        "since weekday",
        "since hour",
    ]
    x = preprocessor.transform(frame)[:2, first : first + 4]
    np.testing.assert_array_equal(x, [[19782.25, 2, 3, 6], [0, 1, 3, 0]])


def test_cycles_meet_at_their_ends() -> None:
    preprocessor = fitted(dates="cyclic")
    first = preprocessor.features.index("since cosine of year")
    days = table().assign(
        since=pd.to_datetime(["2020-12-31", "2021-01-01", "2021-07-02", "2021-03-01"])
    )
    circle = preprocessor.transform(days)[:, first : first + 2]
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 1, rtol=1e-6)
    assert np.linalg.norm(circle[0] - circle[1]) < 0.02
    assert np.linalg.norm(circle[0] - circle[2]) > 1.9


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
def test_what_cannot_be_transformed_is_reported(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fitted().transform(frame)


def test_regression_targets_are_standardised_and_given_back() -> None:
    preprocessor = fitted()
    z = preprocessor.encode_target(table()["price"])
    assert z.mean() == pytest.approx(0, abs=1e-6)
    assert z.std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(preprocessor.decode_target(z), table()["price"], rtol=1e-6)


@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize("name", TARGETS)
def test_every_target_is_given_back_in_its_unit(name: str, clamp: bool) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": generator.normal(size=500), "price": generator.lognormal(3, 2, 500)}
    )
    preprocessor = fit_preprocessor(
        frame,
        [ColumnSpec("age", "number", "float64"), ColumnSpec("price", "number", "float64")],
        ScaleSection(target=Component(name=name, options={"clamp": clamp})),
        target="price",
        task="regression",
        classes=None,
    )
    z = preprocessor.encode_target(frame["price"])
    back = preprocessor.decode_target(z)
    exact = 1e-6 if name != "quantile" else 1e-4  # float32 between quantiles in the far tail
    np.testing.assert_allclose(back, frame["price"], rtol=exact, atol=1e-6 * back.max())
    far = preprocessor.target_curve.restore(np.array([1e6, -1e6]))
    if clamp:
        np.testing.assert_array_equal(far, [frame["price"].max(), frame["price"].min()])
    elif name in ("standard", "none"):
        np.testing.assert_array_equal(far, [1e6, -1e6])
    assert np.isfinite(far).all()
    state = json.loads(json.dumps(preprocessor.to_json()))
    assert Preprocessor.from_json(state) == preprocessor


def test_a_target_without_a_logarithm_is_reported() -> None:
    with pytest.raises(DataError, match=r"log needs targets above 0, found -3 .*offset"):
        TARGETS["log"].build(np.array([1.0, -3.0]))
    assert TARGETS["log"].build(np.array([1.0, -3.0]), offset=4.0).curve.offset == 4


def test_older_states_are_read() -> None:
    affine = {"center": [1.0, 2.0], "scale": [3.0, 4.0], "clip": False}
    old = {
        "target": "t", "task": "binary", "classes": ["no", "yes"], "target_center": 0.0,
        "target_scale": 1.0, "image": None, "image_shape": None,
        "numbers": {"names": ["a", "b"], "fill": [0.0, 5.0], "affine": affine, "indicators": ["b"]},
        "categories": [{"name": "c", "levels": ["x", None]}],
    }  # fmt: skip
    frame = pd.DataFrame({"a": [4.0], "b": [np.nan], "c": [None]})
    x = Preprocessor.from_json(old).transform(frame)
    np.testing.assert_array_equal(x, [[1, 0.75, 1, 0, 1]])


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
    preprocessor = fit_images(
        [images[:20], images[20:]], target="t", task="multiclass", classes=(0, 1)
    )
    x = preprocessor.transform_images(images)
    assert x.shape == (50, 3, 6, 5)
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, atol=1e-5)
    state = json.loads(json.dumps(preprocessor.to_json()))
    assert Preprocessor.from_json(state) == preprocessor
    with pytest.raises(DataError, match=r"images must be \(6, 5, 3\)"):
        preprocessor.transform_images(images[:, :5])


def test_a_column_without_a_train_value_is_reported() -> None:
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


@pytest.mark.parametrize("n_columns", [2, 5, 28])
def test_standard_is_that_of_scikit_learn_to_the_bit(n_columns: int) -> None:
    generator = np.random.default_rng(n_columns)
    x = generator.lognormal(size=(5000, n_columns)) * 10.0 ** generator.integers(-9, 9, n_columns)
    x[:, 0] = 1e9 / 3  # constant, but for the rounding of its mean
    fitted, found = reference.StandardScaler().fit(x), SCALERS["standard"].build(x)
    assert found.center == tuple(fitted.mean_)
    assert found.scale == tuple(fitted.scale_)
    assert found.scale[0] == 1.0


@pytest.mark.parametrize("numeric", sorted(REFERENCES))
def test_rows_are_the_same_however_many_are_transformed_at_once(
    numeric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).lognormal(size=(999, 3)), columns=list("abc"))
    frame.loc[::9, "b"] = np.nan
    numbers = fit_numbers(frame, list("abc"), ScaleSection(numeric=numeric))
    found = np.empty((2, len(frame), 4), np.float32)
    numbers.write(frame, found[0])
    monkeypatch.setattr("layerline.scaling.preprocessing.numbers.CACHED_ROWS", 64)
    numbers.write(frame, found[1])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], numbers.apply_values(frame.to_numpy()).astype(np.float32))
