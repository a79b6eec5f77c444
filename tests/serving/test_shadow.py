"""A second model scores what is logged; whatever befalls it, answers and lines stay."""

import json
import shutil
import subprocess
import sys

from serving.conftest import ROW, serving

from layerline.serving.load_model import parse_source
from layerline.serving.prometheus_metrics import Metrics
from layerline.serving.request_log import Sampling
from layerline.serving.shadow import Shadow, ShadowedLog

SAMPLE = Sampling(1.0, "id")


def ask(bundle, shadow_of, path, n_requests: int) -> tuple[list[dict], list[str], Metrics]:
    """Lines, reports and metrics of a server with a shadow that was asked some rows."""
    reports: list[str] = []

    def make(metrics):
        shadow = Shadow(parse_source(str(shadow_of)), path.parent, metrics, reports.append)
        return ShadowedLog(path, SAMPLE, metrics, shadow)

    with serving(str(bundle), path.parent, log=make, log_sample=SAMPLE) as server:
        for at in range(n_requests):
            found = server.predict([ROW | {"id": at}, ROW | {"id": -at, "count": 4}])
            assert found.status == 200
            assert len(found.headers["x-answer-id"]) == 29
        metrics = server.metrics
    return [json.loads(line) for line in path.read_text().splitlines()], reports, metrics


def test_logged_rows_have_the_shadows_prediction(bundle, tmp_path):
    model = bundle("classes")
    lines, reports, metrics = ask(model, model, tmp_path / "log.jsonl", 3)
    assert len(lines) == 6
    for line in lines:
        shadow = line["shadow"]
        assert shadow.pop("version") == "none"
        assert shadow == {name: line[name] for name in shadow}
    assert len(reports) == 1
    assert "layerline_shadow_rows_total 6.0" in metrics.text().decode()


def test_a_shadow_that_cannot_predict_is_reported_once_and_counted(bundle, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(bundle("classes"), damaged)
    weights = damaged / "network.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    lines, reports, metrics = ask(bundle("classes"), damaged, tmp_path / "log.jsonl", 3)
    assert len(lines) == 6
    assert not any("shadow" in line for line in lines)
    assert "layerline_shadow_missed_total 6.0" in metrics.text().decode()
    assert len(reports) == 1
    assert "the shadow does not predict" in reports[0]


def test_a_shadow_of_other_rows_costs_no_line(bundle, tmp_path):
    lines, reports, metrics = ask(bundle("classes"), bundle("images"), tmp_path / "log.jsonl", 1)
    assert [line["id"] for line in lines] == [0, 0]
    assert "layerline_shadow_missed_total 2.0" in metrics.text().decode()
    assert len([line for line in reports if "does not predict" in line]) == 1


SERVE = """
import os, pathlib, threading
from layerline.serving import server

def load(*arguments, **options):
    print(*(thread.name for thread in threading.enumerate()), flush=True)
    os._exit(0)

server.LiveModel = load
log = pathlib.Path("log.jsonl")
uris = {"model_uri": "models:/x@champion", "shadow": "models:/x@challenger"}
settings = server.Settings(port=0, log=log, **uris)
server.serve(settings, pathlib.Path(), lambda text: None)
"""


def test_the_shadow_loads_after_the_model(tmp_path):
    """Two threads that import MLflow at once end in a deadlock, which ended the server."""
    command = [sys.executable, "-W", "ignore", "-c", SERVE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "MainThread" in done.stdout
    assert "shadow" not in done.stdout
