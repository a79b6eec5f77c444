"""Alerts through real servers: one message a change of state, and no failure of the job."""

import asyncio
import contextlib
import dataclasses
import http.server
import json
import sys
import threading
from collections.abc import Iterator

import pytest

from layerline.artifacts import Workspace
from layerline.config import AlertsSection, Params, SmtpSection, parse_params
from layerline.retraining.alerts import State, changes, send_alerts
from layerline.retraining.log import Record

GOOD = Record(
    started="2026-01-01T00:00:00+00:00",
    seconds=1.0,
    outcome="unchanged",
    exit_code=0,
    message="nothing is new",
    champion_version=1,
)
FAILED = dataclasses.replace(
    GOOD, outcome="failed", exit_code=3, message="price: row 3", champion_version=None
)


def params_with(alerts: AlertsSection) -> Params:
    params, _ = parse_params({"project": "shop", "fetch": {"source": "files"}})
    assert params is not None
    return dataclasses.replace(params, retrain=dataclasses.replace(params.retrain, alerts=alerts))


@pytest.fixture
def webhook(monkeypatch) -> Iterator[list[dict[str, str]]]:
    """What a real HTTP server on loopback was posted."""
    received: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(json.loads(body))
            self.send_response(500 if received[-1]["text"].endswith("boom") else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_port}/s3cret")
    yield received
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """A server that speaks SMTP (RFC 5321) as far as a mail needs it; its port, and the mails."""
    mails: list[str] = []
    loop = asyncio.new_event_loop()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                break
        await writer.drain()
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(talk, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server.sockets[0].getsockname()[1], mails
    server.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def test_a_message_comes_when_the_state_changes_and_only_then(webhook, tmp_path):
    params = params_with(AlertsSection(webhook="HOOK"))
    notes: list[str] = []
    drifted = dataclasses.replace(GOOD, champion_version=2, drifted=("a", "b"))
    runs = [GOOD, GOOD, FAILED, FAILED, dataclasses.replace(FAILED, exit_code=4), drifted, drifted]
    for record in runs:
        send_alerts(Workspace(tmp_path), params, record, notes.append)
    assert [message["text"] for message in webhook] == [
        "shop: version 1 is the champion",
        "shop: retraining fails with exit code 3: price: row 3",
        "shop: retraining fails with exit code 4: price: row 3",
        "shop: retraining works again; version 2 is the champion; drift in a, b",
    ]
    assert notes == []


def test_an_alert_that_fails_is_a_note_and_comes_with_the_next_run(webhook, tmp_path):
    params = params_with(AlertsSection(webhook="HOOK"))
    notes: list[str] = []
    boom = dataclasses.replace(FAILED, message="boom")
    send_alerts(Workspace(tmp_path), params, boom, notes.append)
    send_alerts(Workspace(tmp_path), params, FAILED, notes.append)
    assert len(webhook) == 2
    assert len(notes) == 1
    assert "the alert was not sent (webhook)" in notes[0]
    assert "s3cret" not in notes[0]


def test_a_variable_that_is_not_set_is_a_note(tmp_path, monkeypatch):
    monkeypatch.delenv("HOOK", raising=False)
    notes: list[str] = []
    send_alerts(
        Workspace(tmp_path), params_with(AlertsSection(webhook="HOOK")), FAILED, notes.append
    )
    assert "the environment variable HOOK is not set" in notes[0]


def test_mail_goes_through_a_real_server(tmp_path):
    with mail_server() as (port, mails):
        smtp = SmtpSection(
            host="127.0.0.1", port=port, security="none", sender="a@x.org", to=("b@x.org",)
        )
        notes: list[str] = []
        params = params_with(AlertsSection(smtp=smtp))
        send_alerts(Workspace(tmp_path), params, FAILED, notes.append)
    assert notes == []
    assert "Subject: shop: retraining fails with exit code 3" in mails[0]
    assert '"exit_code": 3' in mails[0]
    notes.clear()
    send_alerts(Workspace(tmp_path), params, GOOD, notes.append)  # the server has gone
    assert "did not take the mail" in notes[0]


def test_a_command_gets_json_on_its_standard_input(tmp_path):
    code = f"import sys; open({str(tmp_path / 'seen')!r}, 'w').write(sys.stdin.read())"
    command = AlertsSection(command=(sys.executable, "-c", code))
    notes: list[str] = []
    send_alerts(Workspace(tmp_path), params_with(command), FAILED, notes.append)
    assert json.loads((tmp_path / "seen").read_text())["exit_code"] == 3
    broken = AlertsSection(command=(sys.executable, "-c", "import sys; sys.exit('no way')"))
    send_alerts(Workspace(tmp_path), params_with(broken), GOOD, notes.append)
    assert "ended with 1: no way" in notes[0]


def test_a_damaged_state_is_begun_anew(webhook, tmp_path):
    (tmp_path / ".layerline").mkdir()
    (tmp_path / ".layerline" / "alerts.json").write_text('{"webhook": 3}')
    params = params_with(AlertsSection(webhook="HOOK"))
    send_alerts(Workspace(tmp_path), params, FAILED, print)
    assert len(webhook) == 1
    saved = json.loads((tmp_path / ".layerline" / "alerts.json").read_text())
    assert State.from_json(saved["webhook"]).failed == 3


def test_a_rollback_is_sent_with_its_reason():
    why = "version 1 is surely better than 2"
    back = dataclasses.replace(GOOD, outcome="rolled back", message=why)
    before = State(champion=2)
    assert changes(before, before.after(back), back) == f"version 1 is the champion again: {why}"


def test_a_stop_and_a_busy_run_change_nothing():
    state = State(champion=2, drifted=("a",))
    assert state.after(dataclasses.replace(FAILED, exit_code=143)) == state
    assert state.after(dataclasses.replace(FAILED, outcome="busy", exit_code=7)) == state
