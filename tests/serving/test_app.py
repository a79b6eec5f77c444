"""What the server answers: predictions, refusals, limits, metrics."""

import io
import json
import re
import socket
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from serving.conftest import ROW, serving

from layerline.model.load import load_bundle
from layerline.serving.middleware import Limits
from layerline.serving.request_log import RequestLog, Sampling
from layerline.tables.storage import read_table


def near(prediction: dict[str, Any]) -> dict[str, Any]:
    """The same label and numbers: products of one row and of many differ in the last digit."""
    return {
        name: value if name == "prediction" else pytest.approx(value, abs=1e-6)
        for name, value in prediction.items()
    }


TOKEN = "0123456789abcdef-secret"


def test_one_row_and_many_rows(served, bundle):
    model = load_bundle(bundle("classes"))
    expected = model.predict(pd.DataFrame([ROW]))
    one, many = served("classes").predict(ROW), served("classes").predict([ROW] * 3)
    assert one.status == many.status == 200
    for row in many.json["predictions"]:
        assert row == near(one.json["predictions"][0])
    for name, value in one.json["predictions"][0].items():
        assert value == pytest.approx(expected[name][0], abs=1e-6)


def test_a_large_body_gives_the_same_as_a_small_one(served):
    one = served("numbers").predict(ROW).json["predictions"][0]["prediction"]
    many = served("numbers").predict([ROW] * 2000).json["predictions"]
    assert len(many) == 2000
    np.testing.assert_allclose([row["prediction"] for row in many], one, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": "five"}, "row 2 size must be a number, got 'five'"),
        ({"count": None}, "row 2 count must not be missing"),
        ({"count": 2.5}, "row 2 count must be a whole number, got 2.5"),
        ({"count": True}, "row 2 count must be a number, got True"),
        ({"soil": "moon"}, "row 2 soil must be one of: 00123, clay, sand; got 'moon'"),
        ({"soil": 123}, "row 2 soil must be text (a number may have lost its form), got 123"),
        ({"is wild": 2}, "row 2 is wild must be true or false, got 2"),
        ({"planted": "2024-02-30"}, "row 2 planted must be a date like 2024-12-31"),
        ({"planted": 2024}, "row 2 planted must be a date like 2024-12-31"),
    ],
)
def test_a_row_that_breaks_the_schema_is_named(served, change, told):
    answer = served("classes").predict([ROW, {**ROW, **change}])
    assert answer.status == 422
    assert told in answer.messages


def test_a_null_where_gaps_are_allowed_is_a_gap(served):
    assert served("classes").predict({**ROW, "size": None, "soil": None}).status == 200


def test_numbers_beyond_what_the_network_can_compute_give_no_nan(served):
    answer = served("classes").predict([ROW, {**ROW, "size": 1e300}])
    assert answer.status == 422
    assert "row 2 None has values too large" in answer.messages


def test_a_missing_field_is_reported_and_other_fields_are_ignored(served):
    without = {name: value for name, value in ROW.items() if name != "size"}
    answer = served("classes").predict(without)
    assert answer.status == 422
    assert "row 1 size is missing; send null for a missing value" in answer.messages
    assert served("classes").predict({**ROW, "id": "x", "kind": "tulip"}).status == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status", "told"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b'{"size": NaN}', "application/json", 400, "not JSON"),
        (b"[]", "application/json", 422, "no rows"),
        (b"3", "application/json", 422, "a row, or a list of rows"),
        (b"[1]", "application/json", 422, "a row must be an object"),
        (b"[" * 5000, "application/json", 400, "not JSON"),
        (b"x", "text/plain", 415, "must be one of application/json, text/csv"),
        (b"no parquet", "application/vnd.apache.parquet", 400, "not Parquet"),
        (b"a,b\n1\n", "text/csv", 400, "the body"),
        (b"", "text/csv", 400, "empty"),
    ],
)
def test_a_body_that_is_no_rows(served, body, content_type, status, told):
    answer = served("classes").predict(body, content_type)
    assert answer.status == status
    assert told in answer.messages


def test_csv_and_parquet_give_what_json_gives(served, made):
    frame = read_table(made("classes").workspace.validated).head(30)
    parquet = io.BytesIO()
    frame.to_parquet(parquet, index=False)
    csv = served("classes").predict(frame.to_csv(index=False).encode(), "text/csv; charset=utf-8")
    typed = served("classes").predict(parquet.getvalue(), "application/vnd.apache.parquet")
    assert csv.status == typed.status == 200
    assert csv.json == typed.json
    first = {k: v for k, v in frame.iloc[0].items() if k in ROW}
    first["planted"] = first["planted"].isoformat()
    row = json.loads(json.dumps(first, default=lambda v: v.item()))
    assert served("classes").predict(row).json["predictions"][0] == near(csv.json["predictions"][0])


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("count", None, "row 3 count must not be missing"),
        ("soil", "moon", "row 3 soil must be one of"),
        ("is wild", None, "row 3 is wild must not be missing"),
        ("count", "many", "row 3 count must be a number, got 'many'"),
    ],
)
def test_an_upload_that_breaks_the_schema_is_reported(served, column, value, told):
    frame = pd.DataFrame([ROW] * 4).astype(object)
    frame.loc[2, column] = value
    answer = served("classes").predict(frame.to_csv(index=False).encode(), "text/csv")
    assert answer.status == 422
    assert told in answer.messages


def test_images_as_arrays_and_as_npy(served):
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5), dtype=np.uint8)
    file = io.BytesIO()
    np.save(file, images)
    listed = served("images").predict(images.tolist())
    uploaded = served("images").predict(file.getvalue(), "application/x-npy")
    single = served("images").predict(images[0].tolist())
    assert listed.json == uploaded.json
    assert single.json["predictions"][0] == near(listed.json["predictions"][0])


@pytest.mark.parametrize("body", [[[0.5]], [[1], [2, 3]], {"a": 1}, [[["x"]]], []])
def test_what_is_no_image_is_refused(served, body):
    assert served("images").predict(body).status == 422


def test_health_model_metrics_and_docs(served, bundle):
    server = served("classes")
    assert server.ask("/health").json == server.ask("/ready").json == {"status": "ok"}
    about = server.ask("/model").json
    assert about["uri"] == "classes"  # the folder's name: where it lies is nobody's business
    assert str(bundle("classes").parent) not in server.ask("/model").body.decode()
    assert about["sha256"].keys() >= {"network.safetensors", "model.json"}
    assert about["classes"] == ["daisy", "rose", "tulip"]
    assert about["way"] == "compiled"
    assert server.predict(ROW).status == 200
    text = server.ask("/metrics").body.decode()
    assert 'layerline_requests_total{path="/predict",status="200"}' in text
    assert 'version="none"' in text
    assert server.ask("/nowhere").status == 404
    assert (server.ask("/").status, server.ask("/").headers["location"]) == (307, "docs")
    assert server.ask("/predict").status == 405


def test_docs_load_nothing_from_elsewhere(served):
    pytest.importorskip("fastapi_offline", reason="pinned in requirements.lock")
    server = served("classes")
    page = server.ask("/docs").body.decode()
    assert "SwaggerUIBundle" in page
    assert "://" not in page.replace("http://www.w3.org", "")
    for name in re.findall(r"(?:src|href)=\"([^\"]+)\"", page):
        answer = server.ask(name)
        assert answer.status == 200, name
        assert len(answer.body) > 1000
    assert server.ask("/docs/../app.py").status == 404


def test_axe_finds_nothing_serious_in_the_docs(served, obstacles):
    drawn = """new Promise((done) => setInterval(() =>
      document.querySelector('.opblock') && done(0), 50))"""
    assert obstacles(f"http://127.0.0.1:{served('classes').port}/docs", [drawn]) == []


def test_a_token_is_asked_for_everywhere_but_health(bundle, tmp_path):
    with serving(str(bundle("classes")), tmp_path, Limits(token=TOKEN)) as server:
        for path in ("/model", "/metrics", "/docs", "/openapi.json"):
            assert server.ask(path).status == 401
            assert server.ask(path, authorization=f"Bearer {TOKEN}").status != 401
        assert server.ask("/model", authorization=f"Bearer {TOKEN}").status == 200
        assert server.ask("/health").status == 200
        assert server.predict(ROW, authorization="Bearer wrong").status == 401
        assert server.predict(ROW, authorization=f"Bearer {TOKEN}").status == 200
        assert TOKEN not in server.ask("/metrics", authorization=f"Bearer {TOKEN}").body.decode()


def test_a_body_beyond_the_limit_is_refused_with_its_length_or_chunked(bundle, tmp_path):
    with serving(str(bundle("classes")), tmp_path, Limits(body_bytes=1000)) as server:
        assert server.predict([ROW] * 50).status == 413
        assert server.predict(iter_bytes(5000), transfer_encoding="chunked").status == 413
        assert server.predict(ROW).status == 200


def iter_bytes(n_bytes: int) -> bytes:
    """A chunked body: http.client sends bytes as they are with this header."""
    return b"%x\r\n" % n_bytes + b" " * n_bytes + b"\r\n0\r\n\r\n"


def test_slow_bodies_time_out_and_keep_nobody_out(bundle, tmp_path):
    limits = Limits(timeout_seconds=4.0, in_flight=2)
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with serving(str(bundle("classes")), tmp_path, limits) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(64)]
        for connection in slow:
            connection.sendall(head + b"Content-Length: 100\r\n\r\n{")
        for _ in range(20):
            assert server.predict(ROW).status == 200
        for connection in slow:
            connection.settimeout(30)
            assert b"408" in connection.recv(100)
            connection.close()


def test_no_more_predictions_than_slots(bundle, tmp_path):
    limits = Limits(in_flight=1)
    statuses: list[int] = []
    with serving(str(bundle("classes")), tmp_path, limits) as server:

        def ask() -> None:
            statuses.append(server.predict([ROW] * 20_000).status)

        for _ in range(5):  # they may come one after the other
            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=60)
            if 503 in statuses:
                break
        assert set(statuses) == {200, 503}
        assert server.predict(ROW).status == 200


def test_the_log_holds_rows_and_predictions_and_nothing_secret(bundle, tmp_path):
    path = tmp_path / "log" / "requests.jsonl"
    limits = Limits(token=TOKEN)
    make = lambda metrics: RequestLog(path, Sampling(1.0, "id"), metrics)  # noqa: E731
    with serving(str(bundle("classes")), tmp_path, limits, log=make) as server:
        row = {**ROW, "password": "hunter2", "id": 17}
        answer = server.predict([row, row], authorization=f"Bearer {TOKEN}")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0]["row"] == ROW
    assert lines[0]["id"] == 17
    predicted = {k: lines[0][k] for k in answer.json["predictions"][0]}
    assert predicted == answer.json["predictions"][0]
    assert "hunter2" not in path.read_text()
    assert TOKEN not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_log_begins_anew_and_a_sample_is_a_sample(bundle, tmp_path):
    path = tmp_path / "requests.jsonl"
    make = lambda metrics: RequestLog(path, Sampling(0.1), metrics, max_bytes=3000)  # noqa: E731
    with serving(str(bundle("classes")), tmp_path, log=make, log_sample=Sampling(0.1)) as server:
        assert server.predict([ROW] * 2000).status == 200
    assert (tmp_path / "requests.jsonl.1").stat().st_size < 4000
    assert path.exists() or (tmp_path / "requests.jsonl.1").exists()


def test_any_value_takes_what_the_schema_does_not_know_but_no_gaps(bundle, tmp_path):
    with serving(str(bundle("classes")), tmp_path, any_value=True) as server:
        assert server.predict({**ROW, "soil": "moon"}).status == 200
        assert server.predict({**ROW, "count": None}).status == 422


def test_many_at_once_get_their_own_answers(served):
    served("numbers")  # made before the threads ask at once
    answers: dict[int, float] = {}

    def ask(size: int) -> None:
        found = served("numbers").predict({**ROW, "size": size / 10})
        answers[size] = found.json["predictions"][0]["prediction"]

    threads = [threading.Thread(target=ask, args=(size,)) for size in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    rows = [{**ROW, "size": size / 10} for size in range(20)]
    expected = [r["prediction"] for r in served("numbers").predict(rows).json["predictions"]]
    np.testing.assert_allclose([answers[size] for size in range(20)], expected, rtol=1e-5)
