"""The section of `layerline retrain`, which no stage reads."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION


@dataclass(frozen=True, kw_only=True, config=SECTION)
class DriftSection:
    """What counts as drift."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """The share of checks of rows without drift that find none in any column."""
    min_effect: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of rows that must have moved, for a shift to matter at all; a fifth of it for
    rows with values that training did not have, half of it for missing values."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class WhenSection:
    """What new data must bring before a model is trained; any one is enough, none is always."""

    new_rows: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | None = None
    """A number of rows, or below 1 their share of those trained on."""
    drift: bool = False
    """A column of the new rows has drifted."""
    live_score_drop: Annotated[float, Field(ge=0)] | None = None
    """By how much the score in reports/live.json must surely be worse than the champion's test
    score, in the unit of the metric."""
    champion_age_days: Annotated[float, Field(gt=0)] | None = None
    """How old the champion must be."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class LiveSection:
    """Where the live score comes from."""

    log: Annotated[str, Field(min_length=1)] = ".layerline/requests.jsonl"
    """The file that `layerline serve --request-log` writes."""
    id: Annotated[str, Field(min_length=1)] = "id"
    """The column of label files that holds the ids that `--log-id` keeps."""


def _variable(name: str) -> str:
    """The names of variables: params.yaml is committed, and what they hold is a secret."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(
            "is the name of an environment variable that holds the secret, never the secret itself"
        )
    return name


Variable = Annotated[str, AfterValidator(_variable)]
Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class SmtpSection:
    """A mail server."""

    host: Text
    """The server's name."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """The server's port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted."""
    sender: Text
    """The sender's address."""
    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    """The addresses of those who are told."""
    user: str | None = None
    """Whom to log in as."""
    password: Variable | None = None
    """The name of the environment variable that holds the password."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class AlertsSection:
    """Who is told when retraining fails, recovers, promotes, or finds drift."""

    webhook: Variable | None = None
    """The name of the environment variable that holds the URL."""
    smtp: SmtpSection | None = None
    """A mail server."""
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """A program and its arguments, which gets the alert as JSON on its standard input."""


@dataclass(frozen=True, kw_only=True, config=SECTION)
class RetrainSection:
    """How `layerline retrain` runs."""

    wait_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long another run is waited for."""
    when: WhenSection = WhenSection()
    """What new data must bring before a model is trained."""
    drift: DriftSection = DriftSection()
    """What counts as drift."""
    live: LiveSection = LiveSection()
    """Where the live score comes from."""
    alerts: AlertsSection = AlertsSection()
    """Who is told."""
    promote: Literal["gate", "shadow"] = "gate"
    """Who makes a version that passed the gate the champion: the gate itself, or the test of
    the rows that it predicts as a shadow (`layerline serve --shadow`)."""
    shadow_days: Annotated[float, Field(gt=0)] = 30.0
    """How long a shadow may take to decide; until then no later version takes its place."""
    rollback: bool = False

    """Give the alias back when the champion is surely worse on labelled rows than the version
    before it."""
