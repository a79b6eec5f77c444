"""An earlier model's preprocessor on new data: its columns stay as they were."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from layerline.columns.spec import ColumnSpec
from layerline.config import ScaleSection
from layerline.errors import DataError
from layerline.scaling.preprocessing.fit_preprocessor import fit_images, fit_preprocessor
from layerline.scaling.preprocessing.reuse import reuse_for_images, reuse_for_table

COLUMNS = (
    ColumnSpec(name="age", kind="number", dtype="float64"),
    ColumnSpec(name="city", kind="category", dtype="str"),
    ColumnSpec(name="y", kind="number", dtype="float64"),
)
WEIGHT = ColumnSpec(name="weight", kind="number", dtype="float64")
GENERATOR = np.random.default_rng(0)


def table(n_rows=50, shift=0.0, cities=("Bonn", "Ulm")):
    numbers = GENERATOR.normal(size=(3, n_rows)) + shift
    city = [cities[k % len(cities)] for k in range(n_rows)]
    return pd.DataFrame({"age": numbers[0], "city": city, "weight": numbers[1], "y": numbers[2]})


def fit(frame, columns):
    how = {"target": "y", "task": "regression", "classes": None}
    return fit_preprocessor(frame, columns, ScaleSection(), **how)


def reuse(frame, columns, names=None):
    source = fit(table(), COLUMNS)
    fitted = fit(frame, columns)
    return source, reuse_for_table(source, names or {}, frame, columns, ScaleSection(), fitted)


def test_the_same_columns_give_the_sources_features():
    frame = table(shift=5.0)
    source, reused = reuse(frame, COLUMNS)
    np.testing.assert_array_equal(reused.transform(frame), source.transform(frame))
    np.testing.assert_array_equal(
        reused.encode_target(frame["y"]), source.encode_target(frame["y"])
    )


def test_new_columns_are_fitted_beside_the_sources():
    frame = table(shift=5.0)
    source, reused = reuse(frame, (*COLUMNS, WEIGHT))
    assert reused.features == ["age", "weight", "city=Bonn", "city=Ulm"]
    x = reused.transform(frame)
    np.testing.assert_array_equal(x[:, [0, 2, 3]], source.transform(frame))
    assert abs(x[:, 1].mean()) < 1e-6
    again = type(reused).from_json(reused.to_json())
    np.testing.assert_array_equal(again.transform(frame), x)


def test_a_column_is_found_under_its_name_here():
    frame = table().rename(columns={"age": "years"})
    columns = (dataclasses.replace(COLUMNS[0], name="years"), *COLUMNS[1:])
    source, reused = reuse(frame, columns, {"age": "years"})
    x = source.transform(frame.rename(columns={"years": "age"}))
    np.testing.assert_array_equal(reused.transform(frame), x)


def test_a_column_that_is_not_there_or_another_kind_is_refused():
    with pytest.raises(DataError, match=r"reads column 'age', which the data lack; map it with"):
        reuse(table(), COLUMNS[1:])
    other = (dataclasses.replace(COLUMNS[0], kind="category"), *COLUMNS[1:])
    with pytest.raises(DataError, match="'age' is a number to the source and a category in the"):
        reuse(table(), other)


def test_images_keep_the_sources_pixel_scaling():
    def images(level, channels=()):
        return np.full((4, 2, 2, *channels), level, dtype=np.uint8)

    how = {"target": "y", "task": "binary", "classes": ("a", "b")}
    source, fitted = (fit_images([images(level)], **how) for level in (100, 30))
    reused = reuse_for_images(source, fitted)
    assert reused.image == source.image
    colours = fit_images([images(3, (3,))], **how)
    with pytest.raises(DataError, match="images of 1 channels, these have 3"):
        reuse_for_images(source, colours)
    with pytest.raises(DataError, match="the source reads a table, and the data are images"):
        reuse_for_images(fit(table(), COLUMNS), fitted)
