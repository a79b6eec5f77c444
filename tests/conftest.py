"""Shared by all tests: a clean environment, and no traces of the machine's own settings."""

import os
from pathlib import Path

import pytest

# Before torch, numpy or mlflow are imported anywhere.
os.environ.update(OMP_NUM_THREADS="1", MLFLOW_DISABLE_TELEMETRY="true")
for name in [n for n in os.environ if n.startswith(("DVC_", "MLFLOW_TRACKING"))]:
    del os.environ[name]

from tables_made import csv_file, frame  # noqa: E402

__all__ = ["csv_file", "frame"]

LONGEST = ("retraining", "pipeline", "columns", "registry", "estimators", "drift", "tracking")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their number: a time within them would differ between two workers."""
    return f"{len(val)}_bytes" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first: one that came last would leave the other worker idle."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    root = Path(__file__).parent
    items.sort(key=lambda item: ranks.get(item.path.relative_to(root).parts[0], len(ranks)))
