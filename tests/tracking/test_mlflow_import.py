"""What MLflow does by itself, and must not."""

import json
import os
import subprocess
import sys

SETTINGS = """
import json, sys
from layerline.tracking.mlflow_import import import_mlflow_quietly
import_mlflow_quietly()
import logging
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES as retries
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT as timeout
from mlflow.telemetry.utils import is_telemetry_disabled
quiet = logging.getLogger("mlflow").level == logging.ERROR
print(json.dumps([is_telemetry_disabled(), retries.get(), timeout.get(), quiet]))
"""


def settings(**environment):
    # Without what else switches telemetry off: the tests' own settings, and a CI's.
    off = ("MLFLOW_", "CI", "GITHUB_", "PYTEST", "DO_NOT_TRACK", "TF_BUILD", "JENKINS", "GITLAB")
    clean = {name: v for name, v in os.environ.items() if not name.startswith(off)}
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def test_telemetry_is_off_and_a_dead_server_costs_no_minutes():
    assert settings() == [True, 0, 10, True]


def test_user_settings_win():
    chosen = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
    assert settings(**chosen)[1:3] == [2, 60]
