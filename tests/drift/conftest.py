"""Checkouts and a store, as tests/registered.py makes them; models with their references."""

from collections.abc import Callable

import pandas as pd
import pytest
from registered import clean_environment, fresh, made, store

from layerline.drift.new_rows import NewRows
from layerline.model.predictor import Model
from layerline.model.reference import Reference, describe_training
from layerline.tables.storage import read_images, read_table

__all__ = ["clean_environment", "fresh", "made", "store"]


@pytest.fixture(scope="session")
def learnt(made, tmp_path_factory) -> Callable[[str], tuple[Model, Reference]]:
    """A trained model and the reference of its training rows, by the checkout's name."""
    known: dict[str, tuple[Model, Reference]] = {}

    def make(name: str) -> tuple[Model, Reference]:
        if name not in known:
            checkout = made(name)
            model = checkout.bundle(tmp_path_factory.mktemp("bundle") / "b")
            is_image = name == "images"
            read = read_images if is_image else read_table
            predicted = model.predict(read(checkout.workspace.validated)[:100])
            specs = model.about.columns
            known[name] = model, describe_training(checkout.workspace, specs, predicted)
        return known[name]

    return make


@pytest.fixture
def counted(learnt) -> Callable[[str, pd.DataFrame], NewRows]:
    """New rows counted against a checkout's reference."""

    def count(name: str, rows: pd.DataFrame) -> NewRows:
        found = NewRows(*learnt(name))
        found.add(rows)
        return found

    return count
