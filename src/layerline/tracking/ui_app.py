"""MLflow's own server, whose pages open on model training: the app of `layerline ui`.

Its page that compares runs shows their descriptions, too (compare_page.js).

MLflow's pages open on language models, and remember in the browser which of the two was chosen. The
entry point `layerline` of the group `mlflow.app` in pyproject.toml names `create_app`.
"""

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

NAME = "layerline"
START = "LAYERLINE_UI_START"  # the page that the bare address opens, as `#/...`
_COMPARE = Path(__file__).with_name("compare_page.js")
_SCRIPT = """<script>
(() => {
  const key = "mlflow.workflowType_v1", start = %s;
  if (localStorage.getItem(key) === null) localStorage.setItem(key, '"machine_learning"');
  if (start && !location.hash) location.replace(start);
})();
document.addEventListener("DOMContentLoaded", () => {
%s
});
</script>"""


def is_installed() -> bool:
    """Whether MLflow finds `create_app`: not from a source tree that was never installed."""
    return bool(importlib.metadata.entry_points(group="mlflow.app", name=NAME))


def create_app() -> Any:
    """MLflow's app with one script more on its page."""
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app

    page = Path(flask_app.static_folder, "index.html").read_text(encoding="utf-8")
    text = with_start(page, os.environ.get(START, ""))
    flask_app.view_functions["serve"] = lambda: text
    return app


def with_start(page: str, start: str) -> str:
    """MLflow's page that opens on model training, at `start` where no other page is asked for.

    >>> with_start("<html><head><title>MLflow</title>", "#/models").count("#/models")
    1
    """
    place = json.dumps(start).replace("<", "\\u003c")
    script = _SCRIPT % (place, _COMPARE.read_text(encoding="utf-8"))
    return page.replace("<head>", "<head>" + script, 1)
