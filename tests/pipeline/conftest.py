"""Checkouts in which the pipeline runs, or has run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, make_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A fresh checkout with the default params."""
    return make_checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which `dvc repro` has run on the default; tests leave it as it is."""
    made = make_checkout(tmp_path_factory.mktemp("digits") / "checkout")
    made.run("dvc", "repro")
    return made
