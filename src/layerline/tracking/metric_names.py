"""Metrics in MLflow's groups: `test/accuracy` there, `test_accuracy` everywhere else.

MLflow's charts stand together by what is before the slash. Runs of earlier releases have the plain
names there, too.
"""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PLAIN = re.compile(r"^(train|valid|test)_")
_GROUPED = re.compile(r"^(train|valid|test)/")


def grouped(name: str) -> str:
    """A metric's name in MLflow.

    >>> grouped("valid_log_loss"), grouped("learning_rate")
    ('valid/log_loss', 'learning_rate')
    """
    return _PLAIN.sub(r"\1/", name)


def plain(name: str) -> str:
    """A metric's name everywhere else.

    >>> plain("valid/log_loss"), plain("valid_log_loss"), plain("system/cpu")
    ('valid_log_loss', 'valid_log_loss', 'system/cpu')
    """
    return _GROUPED.sub(r"\1_", name)


def metric_history(client: "MlflowClient", run_id: str, name: str) -> list[Any]:
    """MLflow's points of a metric, whichever name the run has it under."""
    names = dict.fromkeys([grouped(name), name])
    return [point for one in names for point in client.get_metric_history(run_id, one)]
