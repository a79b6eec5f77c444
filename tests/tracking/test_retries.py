"""How often, and how far apart, a store that refuses is tried."""

import http.server
import threading

import pytest

from layerline.tracking import flush as flushing
from layerline.tracking.flush import N_ATTEMPTS, N_ATTEMPTS_AFTER_END, FlushReport, flush, follow


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers everything with 503, which MLflow's own client would try again for minutes."""

    def _refuse(self) -> None:
        self.server.n_requests += 1
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _refuse

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def refusing(monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        server.n_requests = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()


def test_flush_tries_a_few_times_and_keeps_the_journal(home, new_journal, refusing, monkeypatch):
    pauses = []
    monkeypatch.setattr(flushing.time, "sleep", pauses.append)
    with new_journal() as journal:
        pass
    report = flush(home)
    assert (report.sent, report.waiting, len(report.errors)) == (0, 1, 1)
    assert "503" in report.errors[0]
    assert refusing.n_requests == N_ATTEMPTS
    assert len(pauses) == N_ATTEMPTS - 1
    assert pauses == sorted(set(pauses))  # each longer than the one before
    assert journal.path.exists()


def test_follower_tries_less_and_less_often_and_gives_up_after_the_end(
    home, new_journal, refusing, monkeypatch
):
    journal = new_journal()
    pauses = []

    def pause(path, seconds):
        pauses.append(seconds)
        if len(pauses) == 8:
            journal.end("FINISHED")

    monkeypatch.setattr(flushing, "_pause", pause)
    follow(home, journal.path)
    assert pauses[:6] == [6, 12, 24, 30, 30, 30]
    assert len(pauses) == 8 + N_ATTEMPTS_AFTER_END - 1
    assert refusing.n_requests == 8 + N_ATTEMPTS_AFTER_END
    assert journal.path.exists()
    assert not list(journal.path.parent.glob("*.done"))


def test_a_server_that_says_yes_to_everything_is_not_believed(home, new_journal, monkeypatch):
    class Agreeing(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, *_: object) -> None: ...

    with new_journal() as journal:
        journal.metrics({"loss": 0.5})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agreeing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        report = flush(home)
        server.shutdown()
    assert (report.sent, report.waiting) == (0, 1)
    assert "does not have it" in report.errors[0]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert flush(home) == FlushReport(sent=1, waiting=0)
