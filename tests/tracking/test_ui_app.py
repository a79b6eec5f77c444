"""The pages of `layerline ui`: MLflow's, opened on model training."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from layerline.tracking.ui_app import NAME, START

_ASK = """
from importlib import import_module
from mlflow.server import app
module, name = "layerline.tracking.ui_app:create_app".split(":")
served = getattr(import_module(module), name)()
assert served is import_module("mlflow.server.fastapi_app").app
client = app.test_client()
print(client.get("/").text)
assert client.get("/health").text == "OK"
"""


def test_the_page_is_mlflows_with_the_start_and_the_kind_of_work(tmp_path: Path) -> None:
    environment = os.environ | {START: "#/experiments/7/runs?a=</script>"}
    command = [sys.executable, "-c", _ASK]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = done.stdout
    assert page.index("mlflow.workflowType_v1") < page.index("static-files/static/js/main")
    assert '"#/experiments/7/runs?a=\\u003c/script>"' in page
    assert page.count("</script>") == 2
    assert "#/compare-runs?" in page


def test_mlflow_finds_it_by_its_entry_point() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["mlflow.app"]
    assert points == {NAME: "layerline.tracking.ui_app:create_app"}


def test_mlflows_pages_still_keep_the_kind_of_work_under_this_key() -> None:
    """Its version may change: then the pages would open on language models again."""
    import mlflow

    scripts = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"
    texts = (script.read_text(encoding="utf-8") for script in scripts.glob("main*.js"))
    assert any('{key:"mlflow.workflowType",version:1,' in text for text in texts)
