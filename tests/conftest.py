"""Shared by all tests: a clean environment, and no traces of the machine's own settings."""

import os

# Before torch, numpy or mlflow are imported anywhere.
os.environ.update(OMP_NUM_THREADS="1", MLFLOW_DISABLE_TELEMETRY="true")
for name in [n for n in os.environ if n.startswith(("DVC_", "MLFLOW_TRACKING"))]:
    del os.environ[name]

from browsers import axe, obstacles, tab  # noqa: E402
from hypothesis import settings  # noqa: E402
from tables_made import csv_file, frame  # noqa: E402

# No test fails for a busy machine.
settings.register_profile("layerline", deadline=None)
settings.load_profile("layerline")

__all__ = ["axe", "csv_file", "frame", "obstacles", "tab"]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their number: a time within them would differ between two workers."""
    return f"{len(val)}_bytes" if isinstance(val, bytes) else None
