"""The pages of `layerline ui`: MLflow's, opened on model training."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from layerline.tracking.ui_app import NAME, START, with_start

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


# A run as MLflow's REST interface answers it, for whichever run is asked for.
_ANSWER = """<script>
const note = "Promoted: accuracy 0.9 on 343 test rows.\\n\\nVersion 3 became `champion`: " +
  "<b>better</b>";
window.fetch = async (place) => ({ok: !place.endsWith("gone"), json: async () => ({run: {
  info: {run_name: place.split("run_id=")[1]},
  data: {tags: place.endsWith("new") ? [] : [{key: "mlflow.note.content", value: note}]}}})});
</script>"""


def test_the_comparison_has_verdicts_and_figures(tmp_path: Path, tab: Any) -> None:
    page = with_start("<html><head></head><body><div id=root>MLflow</div></body></html>", "#/")
    file = tmp_path / "index.html"
    file.write_text(page.replace("<head>", "<head>" + _ANSWER, 1))
    runner, browser = tab
    shown = "document.querySelector('section')"
    place = '#/compare-runs?runs=["one","new","gone"]&experiments=["2"]'
    runner.run(browser.open(file.as_uri() + place, 900, 700))
    runner.run(browser.wait_for(f"{shown} !== null"))
    assert runner.run(browser.run(f"{shown}.innerText")).splitlines() == [
        "one Promoted: accuracy 0.9 on 343 test rows. Version 3 became champion: <b>better</b>",
        "new has no description",
    ]
    runner.run(browser.run("history.pushState(null, '', '#/models')"))
    runner.run(browser.wait_for(f"{shown} === null"))
