"""How an alert is sent: a webhook in Slack's form, mail, a command.

To add a channel: a function, a field of `AlertsSection`, and a line in `channels_of`.
"""

import json
import os
import smtplib
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any, NamedTuple

from layerline.config import AlertsSection, SmtpSection
from layerline.errors import LayerlineError, ParamsError, Problem
from layerline.text import first_line

TIMEOUT_SECONDS = 10.0


class Alert(NamedTuple):
    """What is sent: a line for people, and the facts."""

    text: str
    facts: Mapping[str, Any]


Send = Callable[[Alert], None]


def channels_of(section: AlertsSection) -> dict[str, Send]:
    """The channels of params.yaml by name; each raises LayerlineError when it does not send."""
    found: dict[str, Send] = {}
    webhook, smtp, command = section.webhook, section.smtp, section.command
    if webhook is not None:
        found["webhook"] = lambda alert: post(webhook, alert)
    if smtp is not None:
        found["smtp"] = lambda alert: mail(smtp, alert)
    if command is not None:
        found["command"] = lambda alert: run(command, alert)
    return found


def post(variable: str, alert: Alert) -> None:
    """Post `{"text": ...}` to the URL in an environment variable.

    Raises:
        LayerlineError: it was not accepted.
    """
    url = _secret(variable, "retrain.alerts.webhook")
    if not url.startswith(("https://", "http://")):
        raise LayerlineError(f"the environment variable {variable} does not hold a URL (https://)")
    body = json.dumps({"text": alert.text}).encode()
    request = urllib.request.Request(  # noqa: S310 (http alone, see above)
        url, body, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
            pass
    except (OSError, ValueError) as error:  # its text may hold the URL
        reason = getattr(error, "reason", None) or type(error).__name__
        raise LayerlineError(f"the webhook of {variable} did not accept it: {reason}") from None


def mail(section: SmtpSection, alert: Alert) -> None:
    """Send a mail.

    Raises:
        LayerlineError: the server did not accept it.
    """
    message = EmailMessage()
    message["Subject"] = alert.text.partition("\n")[0][:200]
    message["From"], message["To"] = section.sender, ", ".join(section.to)
    message.set_content(f"{alert.text}\n\n{json.dumps(alert.facts, indent=2)}\n")
    password = None
    if section.password is not None:
        password = _secret(section.password, "retrain.alerts.smtp.password")
    try:
        with _connect(section) as server:
            if section.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if password is not None:
                server.login(section.user or section.sender, password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        where = f"{section.host}:{section.port}"
        raise LayerlineError(f"{where} did not take the mail: {first_line(error)}") from None


def _connect(section: SmtpSection) -> smtplib.SMTP:
    if section.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(
            section.host, section.port, timeout=TIMEOUT_SECONDS, context=context
        )
    return smtplib.SMTP(section.host, section.port, timeout=TIMEOUT_SECONDS)


def run(command: tuple[str, ...], alert: Alert) -> None:
    """Run a program with the alert as JSON on its standard input.

    Raises:
        LayerlineError: it cannot be run, fails, or does not end in time.
    """
    text = json.dumps({"text": alert.text, **alert.facts})
    try:
        done = subprocess.run(
            command,
            input=text,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            capture_output=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LayerlineError(f"{command[0]}: {first_line(error)}") from None
    if done.returncode:
        reason = done.stderr.strip().partition("\n")[0]
        raise LayerlineError(f"{command[0]}: ended with {done.returncode}: {reason}")


def _secret(variable: str, where: str) -> str:
    found = os.environ.get(variable)
    if not found:
        message = f"the environment variable {variable} is not set"
        raise ParamsError([Problem(where, message)])
    return found
