"""One version behind `layerline serve`, MLflow's pyfunc and `mlflow models serve`: one answer."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pandas as pd
import pytest
from registered import flowers
from servers import free_port

from layerline.model.load import load_bundle
from layerline.serving.load_model import load, parse_source
from layerline.serving.request_handler import RequestHandler
from layerline.sources.reading.dialect import Dialect
from layerline.tracking.store import tracking_uri

# MLflow's own, with SQLAlchemy 2.1 and with pandas 3.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader:DeprecationWarning", "ignore:Operation with range"
)
URI = "models:/peers@champion"
WAIT_SECONDS = 180.0


@pytest.fixture(scope="module")
def home(store, made, tmp_path_factory):
    store.register(made("classes"), "peers", tmp_path_factory.mktemp("peers"))
    return store.home


def rows_of(n_rows):
    """Rows as JSON holds them, gaps among them."""
    frame = flowers(n_rows, seed=5).drop(columns=["kind", "height", "note"])
    frame["planted"] = frame["planted"].dt.strftime("%Y-%m-%d")
    rows = json.loads(frame.to_json(orient="records"))
    assert any(row["size"] is None for row in rows)
    return rows


def served(home, rows):
    """What `layerline serve` answers."""
    answer = load(parse_source(URI), home).handler.predict_rows(rows)
    return pd.DataFrame(answer.rows(), columns=list(answer.names))


def assert_same(found, wanted):
    assert list(found) == list(wanted)
    assert found["prediction"].tolist() == wanted["prediction"].tolist()
    np.testing.assert_allclose(found.iloc[:, 1:], wanted.iloc[:, 1:], atol=1e-6)


def test_pyfunc_gives_what_the_server_gives(home, monkeypatch):
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri(home))
    rows = rows_of(60)
    model = mlflow.pyfunc.load_model(URI, suppress_warnings=True)
    assert_same(model.predict(pd.DataFrame(rows)), served(home, rows))


@contextlib.contextmanager
def mlflow_models_serve(home, log):
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "models", "serve", "-m", URI]
    command += ["--port", str(port), "--host", "127.0.0.1", "--env-manager", "local"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri(home)}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        until = time.monotonic() + WAIT_SECONDS
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
def test_mlflow_models_serve_gives_what_the_server_gives(home, tmp_path):
    rows = rows_of(60)
    with mlflow_models_serve(home, tmp_path / "mlflow.log") as url:
        body = json.dumps({"dataframe_records": rows}).encode()
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = pd.DataFrame(json.load(answer)["predictions"])
    assert_same(found, served(home, rows))


def test_an_uploaded_csv_is_written_as_the_version_knows(bundle):
    model = load_bundle(bundle("classes"))
    rows = pd.DataFrame(rows_of(40))
    usual = RequestHandler(model).handle("text/csv", rows.to_csv(index=False).encode())
    dialect = Dialect(";", "utf-16", ("?",))
    spoken = dataclasses.replace(model, about=dataclasses.replace(model.about, dialect=dialect))
    text = rows.astype(object).where(rows.notna(), "?").assign(id="ü")
    body = text.to_csv(index=False, sep=";").encode("utf-16")
    found = RequestHandler(spoken).handle("text/csv", body)
    assert found.predicted.rows() == usual.predicted.rows()
