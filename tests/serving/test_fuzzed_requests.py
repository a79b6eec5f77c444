"""Any body is predicted or refused; any request head ends in an answer or a closed connection."""

import contextlib
import io
import json
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from damage import damaged, fuzz
from hostile import CSV, JSON, NPY, PARQUET, parquet
from hypothesis import given
from hypothesis import strategies as st
from serving.conftest import ROW, Served

from layerline.model.load import load_bundle
from layerline.serving.json_rows import Refused
from layerline.serving.request_handler import RequestHandler
from layerline.serving.uploads import TooLarge, Unreadable

REFUSED = (Unreadable, Refused, TooLarge)
VALUE = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=4)),
    *(st.just([1]), st.just({}), st.sampled_from(["clay", "2020-01-22", "0000-00-00", "1e999"])),
)
ROWS = st.lists(
    st.dictionaries(st.sampled_from([*ROW, "x"]), VALUE, max_size=2).map(lambda new: ROW | new),
    max_size=3,
)
TABLE = parquet(pa.table({name: [value] for name, value in ROW.items()}))


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    lines = [",".join(ROW), *(",".join(str(row[name]) for name in ROW) for row in rows)]
    return "\n".join(lines).encode("utf-8", "replace")


def as_npy(shape: tuple[int, ...], kind: str) -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.zeros(shape, kind))
    return sink.getvalue()


BODIES = st.one_of(
    st.tuples(st.just(JSON), damaged(ROWS.map(lambda rows: json.dumps(rows).encode()))),
    st.tuples(st.just(JSON), ROWS.map(lambda rows: json.dumps({"rows": rows}).encode())),
    st.tuples(st.just(CSV), damaged(ROWS.map(as_csv))),
    st.tuples(st.just(PARQUET), damaged(st.just(TABLE))),
    st.tuples(st.sampled_from([JSON, CSV, PARQUET]), st.binary(max_size=60)),
)


@pytest.fixture(scope="module")
def handlers(bundle: Callable[[str], Any]) -> dict[str, RequestHandler]:
    return {name: RequestHandler(load_bundle(bundle(name))) for name in ("classes", "images")}


def check_body(handler: RequestHandler, kind: str, body: bytes) -> None:
    with contextlib.suppress(*REFUSED):
        found = handler.handle(kind, body)
        assert found.n_rows >= 0


@fuzz(4)
@given(BODIES)
def test_bodies_of_rows(handlers: dict[str, RequestHandler], body: tuple[str, bytes]) -> None:
    assert check_body(handlers["classes"], *body) is None


SHAPES = st.lists(st.integers(0, 7), max_size=4).map(tuple) | st.just((2, 6, 5))


TYPES = st.sampled_from(["u1", "f4", "i8", "?", "U2", "V1", "M8"])


@fuzz(3)
@given(
    damaged(st.builds(as_npy, SHAPES, st.sampled_from(["u1", "f4", "i8", "?", "U2", "V1", "M8"])))
)
@pytest.mark.filterwarnings("ignore")
def test_bodies_of_images(handlers: dict[str, RequestHandler], body: bytes) -> None:
    assert check_body(handlers["images"], NPY, body) is None


LINES = (
    *("POST /predict HTTP/1.1", "GET /health HTTP/1.1", "GET /%2e%2e/%00 HTTP/1.1", "host: x", ""),
    *("content-length: 10", "content-length: -1", "content-length: 99999999999999", " folded"),
    *("transfer-encoding: chunked", "5\r\nabcde", "0\r\n", "fffffffff", "PRI * HTTP/2.0"),
    *("content-type: text/csv", "content-encoding: gzip", "expect: 100-continue"),
    *("authorization: Bearer x", "x: \xff\0", "connection: upgrade", "upgrade: websocket"),
    *("GET http://[::1/ HTTP/1.1", "GET / HTTP/9.9", ":"),
)
PIECES = [f"{line}\r\n".encode("latin-1") for line in LINES]
HEADS = st.lists(st.sampled_from([*PIECES, b"{}", b"\n", b"\r"]), max_size=10).map(b"".join)


@fuzz(2)
@given(HEADS | damaged(HEADS))
def test_heads(served: Callable[[str], Served], head: bytes) -> None:
    server = served("classes")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert not answer.startswith(b"HTTP/1.1 5")
