"""A server that sends a byte now and then is given up in the end."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from layerline.errors import TrackingError
from layerline.tracking.deadline import SECONDS_VARIABLE, deadline
from layerline.tracking.flush import flush, run_id_of


@pytest.fixture
def trickling_server() -> Iterator[str]:
    """Answers every request with a header that never ends."""
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not stopped.wait(0.05):
                connection.sendall(b"a")

    def serve() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stopped.set()
    thread.join()
    listener.close()


def test_a_flush_and_a_reader_end_with_the_reason(home, new_journal, monkeypatch, trickling_server):
    new_journal().end("FINISHED")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trickling_server)
    monkeypatch.setenv(SECONDS_VARIABLE, "2")
    report = flush(home)
    assert (report.sent, report.waiting) == (0, 1)
    assert "did not finish within 2 s" in report.errors[0]
    with pytest.raises(TrackingError, match=SECONDS_VARIABLE) as caught:
        run_id_of(home, "key-1")
    assert caught.value.exit_code == 8


def test_what_is_quick_or_local_is_left_alone(monkeypatch):
    monkeypatch.setenv(SECONDS_VARIABLE, "0.05")
    previous = signal.getsignal(signal.SIGALRM)
    with deadline("sqlite:///x.db", "waiting"):
        time.sleep(0.1)
    monkeypatch.setenv(SECONDS_VARIABLE, "60")
    with deadline("http://host", "waiting"), deadline("http://host", "nested"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is previous


def test_a_library_that_swallows_exceptions_is_interrupted_too(monkeypatch):
    monkeypatch.setenv(SECONDS_VARIABLE, "0.1")

    def stubborn() -> None:
        while True:
            try:
                time.sleep(60)
            except Exception:
                continue

    limit = deadline("http://host", "waiting")
    with pytest.raises(TrackingError, match="waiting: MLflow's server did not finish"), limit:
        stubborn()
