"""Checkouts in which the pipeline runs, or has run."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkouts import Checkout, make_checkout
from filelock import FileLock


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A fresh checkout with the default params."""
    return make_checkout(tmp_path / "checkout")


@pytest.fixture
def warm(tmp_path: Path) -> Checkout:
    """Another one, whose commands are forks: see tests/checkouts.py."""
    return make_checkout(tmp_path / "checkout", is_warm=True)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which `dvc repro` has run on the default; tests leave it as it is."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make_digits(base / "digits")
    made = base.parent / "digits"  # once for all workers, each of which has a copy
    with FileLock(base.parent / "digits.lock"):
        if not made.exists():
            make_digits(base / "digits").root.rename(made)
    shutil.copytree(made, base / "digits", symlinks=True)
    return Checkout(base / "digits")


def make_digits(root: Path) -> Checkout:
    made = make_checkout(root)
    made.run("dvc", "repro")
    made.run("layerline", "flush")  # no follower writes while it is moved
    return made
