"""`layerline.fit` on several targets: by name, as a frame, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import layerline
from layerline.errors import DataError, ParamsError


def rows(n: int = 240) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x, place = random.normal(size=n), np.arange(n)
    return pd.DataFrame(
        {
            "x": x,
            "size": random.choice(["s", "m"], n),
            "price": 1e6 + 1e4 * (x + random.normal(0, 0.1, n)),
            "rent": (3 * x + random.normal(0, 0.1, n)).round(6),
            "is_sold": x + random.normal(0, 0.3, n) > 0,
            "heated": np.where(place % 2, "warm", "cold"),
        }
    )


def fit(target: object, *others: str, frame: pd.DataFrame | None = None) -> layerline.FittedModel:
    table = (rows() if frame is None else frame).drop(columns=list(others))
    return layerline.fit(table, target, members=None, epochs=3)  # type: ignore[arg-type]


def test_names_and_a_frame_give_the_same(tmp_path: Path) -> None:
    named = fit(["price", "rent"], "is_sold", "heated")
    table = rows()
    given = layerline.fit(table[["x", "size"]], table[["price", "rent"]], members=None, epochs=3)
    assert named.task == "multi_regression"
    assert named.targets == ("price", "rent")
    assert (named.predict(table) == given.predict(table)).all()
    assert abs(named.predict(table).mean(axis=0) - [1e6, 0]).max() < 1e4
    saved = layerline.load(named.save(tmp_path / "model"))
    assert (saved.predict(table) == named.predict(table)).all()
    with pytest.raises(DataError, match="there are no probabilities"):
        named.predict_proba(table)


def test_labels_keep_their_own_levels() -> None:
    model = fit(["is_sold", "heated"], "price", "rent")
    assert model.task == "multilabel"
    table = model.predict_frame(rows())
    assert set(table["prediction_is_sold"]) <= {True, False}
    assert table["prediction_is_sold"].dtype == bool
    assert set(table["prediction_heated"]) <= {"warm", "cold"}
    shares = model.predict_proba(rows())
    assert (table["prediction_is_sold"] == (shares[:, 0] >= 0.5)).all()
    assert (table["prediction_heated"] == np.where(shares[:, 1] >= 0.5, "warm", "cold")).all()


def test_targets_that_cannot_be_learnt_together_are_refused() -> None:
    with pytest.raises(DataError, match="'price' is regression, 'is_sold' is binary"):
        fit(["price", "is_sold"])
    with pytest.raises(DataError, match="no target column 'rents'; did you mean 'rent'"):
        fit(["price", "rents"])
    with pytest.raises(ParamsError, match="names 'price' more than once"):
        fit(["price", "price"])
    table = rows()
    table.loc[7, "rent"] = np.nan
    with pytest.raises(DataError, match=r"'rent'.*missing"):
        fit(["price", "rent"], "is_sold", "heated", frame=table)
    with pytest.raises(ParamsError, match=r"train\.monotone: a direction is of one"):
        layerline.fit(
            rows()[["x", "price", "rent"]],
            ["price", "rent"],
            members=None,
            monotone={"x": "increasing"},
        )
