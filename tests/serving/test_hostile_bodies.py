"""Bodies and connections that want the server's memory, its time or its slots."""

import contextlib
import io
import os
import signal
import socket
import threading
import time

import hostile
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serving.conftest import ROW, serving

from layerline.serving import worker_pool
from layerline.serving.middleware import Limits
from layerline.serving.upload_worker import MEMORY_BYTES, NICE, TASKS
from layerline.serving.uploads import MAX_COLUMNS

REFUSED = (400, 413, 415, 422, 503)


@pytest.fixture(scope="module")
def server(bundle, tmp_path_factory):
    with serving(str(bundle("classes")), tmp_path_factory.mktemp("home")) as one:
        yield one


@pytest.mark.parametrize(
    ("name", "content_type", "body"),
    [pytest.param(*item, id=item[0]) for item in hostile.bodies("soil")],
)
def test_it_is_refused_and_the_server_answers_on(name, content_type, body, server):
    before = psutil.Process().memory_info().rss
    answer = server.predict(body, content_type)
    assert answer.status in REFUSED, answer.body[:200]
    assert answer.json["detail"][0]["message"]
    assert psutil.Process().memory_info().rss - before < 200 << 20
    assert server.predict(ROW).status == 200
    frame = pd.DataFrame([ROW] * 3)
    good = server.predict(frame.to_csv(index=False).encode(), "text/csv")
    assert good.status == 200
    assert len(good.json["predictions"]) == 3


def test_nested_columns_are_refused_by_name_and_others_are_not_read(server):
    frame = pd.DataFrame([ROW] * 2)
    frame["other"] = [[1, 2], [3]]
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    assert server.predict(file.getvalue(), hostile.PARQUET).status == 200
    frame["size"] = [[1.0], [2.0]]
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    answer = server.predict(file.getvalue(), hostile.PARQUET)
    assert answer.status == 400
    assert "the columns size hold lists or structures" in answer.messages


def test_text_that_is_no_utf_8_is_refused(server):
    damaged = pa.array([b"clay", b"cl\xffy"]).cast(pa.binary())
    table = pa.Table.from_pandas(pd.DataFrame([ROW] * 2))
    text = pa.StringArray.from_buffers(2, *damaged.buffers()[1:])
    file = io.BytesIO()
    pq.write_table(table.set_column(table.column_names.index("soil"), "soil", text), file)
    answer = server.predict(file.getvalue(), hostile.PARQUET)
    assert answer.status == 400
    assert "Invalid UTF8" in answer.messages


def test_a_wide_table_with_the_models_columns_is_still_predicted(server):
    wide = pd.DataFrame(np.zeros((2, MAX_COLUMNS - 10)))
    frame = pd.concat([pd.DataFrame([ROW] * 2), wide.add_prefix("more_")], axis=1)
    answer = server.predict(frame.to_csv(index=False).encode(), "text/csv")
    assert answer.status == 200, answer.body[:300]


def test_an_honest_large_file_fits_in_the_worker(server):
    n_rows = 120_000
    frame = pd.DataFrame([ROW]).loc[np.zeros(n_rows, int)].reset_index(drop=True)
    body = frame.to_csv(index=False).encode()
    assert 3 << 20 < len(body) < 16 << 20
    answer = server.predict(body, "text/csv")
    assert answer.status == 200, answer.body[:300]
    assert len(answer.json["predictions"]) == n_rows
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    assert server.predict(file.getvalue(), hostile.PARQUET).json == answer.json
    assert MEMORY_BYTES < 300 << 20


def test_an_endless_header_is_cut_off_and_starves_nobody(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Long: ")
        connection.settimeout(30)
        sent = 0
        with contextlib.suppress(OSError):  # reset, in the middle of sending
            while sent < 64 << 20:
                connection.sendall(b"x" * 65_536)
                sent += 65_536
                time.sleep(0.001)
        assert sent < 64 << 20
    assert server.predict(ROW).status == 200


def test_a_long_header_that_ends_is_refused_with_its_status(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(30)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 70_000)
        assert b"431" in connection.recv(1000)


def test_large_bodies_at_once_are_bounded_and_small_ones_go_on(bundle, tmp_path):
    limits = Limits(large_bytes=320 << 10, timeout_seconds=4.0)
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with serving(str(bundle("classes")), tmp_path, limits) as server:
        held = socket.create_connection(("127.0.0.1", server.port))
        held.sendall(head + b"Content-Length: 2000000\r\n\r\n" + b" " * 200_000)
        until = time.monotonic() + 3  # it may not have been read yet
        while (answer := server.predict([ROW] * 2000)).status == 200:
            assert time.monotonic() < until
        assert answer.status == 503
        assert "too many large bodies at once" in answer.messages
        assert server.predict(ROW).status == 200
        held.settimeout(30)
        assert b"408" in held.recv(100)
        held.close()
        until = time.monotonic() + 60  # more than four seconds, on a busy machine
        while server.predict([ROW] * 2000).status != 200:  # the room is given back
            assert time.monotonic() < until


def worker_of(server):
    children = psutil.Process().children(recursive=True)
    nice = min(psutil.Process().nice() + NICE, 19)
    return [child for child in children if child.nice() == nice]


def test_a_worker_that_was_killed_is_replaced(server):
    body = pd.DataFrame([ROW]).to_csv(index=False).encode()
    assert server.predict(body, "text/csv").status == 200
    workers = worker_of(server)
    assert workers
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    assert server.predict(body, "text/csv").status == 200


def test_a_body_that_takes_too_long_is_given_up(bundle, tmp_path):
    with serving(str(bundle("classes")), tmp_path, body_seconds=0.001) as server:
        answer = server.predict([ROW] * 5000)
        assert answer.status == 503
        assert "not finished within 0.001 s" in answer.messages
        assert server.predict(ROW).status == 200
        server.live._workers._body_seconds = 60.0
        assert server.predict([ROW] * 5000).status == 200


def test_the_time_for_a_body_begins_when_the_worker_is_ready(bundle, tmp_path, monkeypatch):
    def slow_start(connection, arguments):
        time.sleep(4)
        TASKS["predict"](connection, arguments)

    monkeypatch.setattr(worker_pool, "TASKS", {**TASKS, "predict": slow_start})
    with serving(str(bundle("classes")), tmp_path, body_seconds=3.0) as server:
        body = pd.DataFrame([ROW]).to_csv(index=False).encode()
        assert server.predict(body, "text/csv").status == 200


def test_requests_under_way_at_the_end_are_all_answered(bundle, tmp_path):
    """60 requests fully sent when the server is told to end: none is reset."""
    statuses: list[bytes] = []
    content = b'{"size": 4.5, "count": 3, "planted": "2020-01-22", "soil": "clay", "is wild": true}'
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    request = head + b"Content-Length: %d\r\n\r\n" % len(content) + content
    with serving(str(bundle("classes")), tmp_path) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        late = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
        connections = [*idle, *late]
        for connection in connections:
            connection.sendall(request)
        ended = threading.Thread(target=server.stop)
        ended.start()
        for connection in connections:
            connection.settimeout(30)
            statuses.append(connection.recv(4096)[:12])
        ended.join(timeout=60)
        for connection in connections:
            connection.close()
    assert statuses == [b"HTTP/1.1 200"] * 60


def test_an_idle_worker_gives_its_memory_back_also_after_a_refusal(bundle, tmp_path, monkeypatch):
    for module in ("app", "worker_pool"):
        monkeypatch.setattr(f"layerline.serving.{module}.IDLE_SECONDS", 0.2)
    with serving(str(bundle("classes")), tmp_path) as server:
        assert server.predict(b"a,b\n1,2\n", "text/csv").status == 422
        assert server.live._workers._worker is not None
        until = time.monotonic() + 30
        while server.live._workers._worker is not None:
            assert time.monotonic() < until
            time.sleep(0.05)
