"""The import of MLflow: without telemetry, chatter, or minutes of retries on a dead server.

It costs over a second, and its settings are read from the environment: so it happens late.
"""

import logging
import os

_uses: list[str] = []


def is_mlflow_in_use() -> bool:
    """Whether this process has opened a store; a fork may have MLflow and use it for nothing."""
    return bool(_uses)


def import_mlflow_quietly() -> None:
    """Import MLflow with the settings a flusher wants, where the user did not choose."""
    _uses.append("store")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # The flusher tries again by itself. A request that MLflow sends twice may also act twice:
    # two runs instead of one.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")  # a database server may be silent, too
    import mlflow  # noqa: F401

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    # It prints a traceback for a locked database; we get the exception and try again.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
