"""Shared by all tests: a clean environment, and no traces of the machine's own settings."""

import os
import signal

# Before torch, numpy or mlflow are imported anywhere.
os.environ.update(OMP_NUM_THREADS="1", MLFLOW_DISABLE_TELEMETRY="true")
for name in [n for n in os.environ if n.startswith(("DVC_", "MLFLOW_TRACKING"))]:
    del os.environ[name]

import pytest  # noqa: E402
from browsers import axe, obstacles, tab  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from tables_made import csv_file, frame  # noqa: E402
from warm_commands import stop_warm  # noqa: E402

# No test fails for a busy machine, or by a chance that the next run has not; `make fuzz` takes it.
settings.register_profile(
    "layerline",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="LAYERLINE_FUZZ_EXAMPLES" not in os.environ,
)
settings.load_profile("layerline")

# Folders of files that take long: the last one that a worker gets should be short.
FIRST = (
    "pipeline",
    "retraining",
    "tracking",
    "studies",
    "stage",
    "explorer",
    "serving",
    "training",
)

__all__ = ["axe", "csv_file", "frame", "obstacles", "tab"]


def pytest_configure(config: pytest.Config) -> None:
    """Let processes that tests start have the usual signals, also under nohup or a shell's `&`.

    What is ignored, children ignore too; what has a handler, they have not.
    """
    if config.getoption("numprocesses", None):
        return  # its workers run the tests
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long; the order within a file, and of files otherwise, stays."""
    items.sort(key=lambda item: item.path.parent.name not in FIRST)


def pytest_unconfigure() -> None:
    """End the process that warm checkouts have their forks from."""
    stop_warm()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their number: a time within them would differ between two workers."""
    return f"{len(val)}_bytes" if isinstance(val, bytes) else None
