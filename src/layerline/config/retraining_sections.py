"""The section of `layerline retrain`, which no stage reads."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from layerline.config.components import SECTION


@dataclass(frozen=True, kw_only=True, config=SECTION)
class DriftSection:
    """What counts as drift.

    `confidence` is the share of checks of rows without drift that find none in any column.
    `min_effect` is the share of rows that must have moved, for a shift to matter at all; a fifth of
    it for rows with values that training did not have, half of it for missing values.
    """

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    min_effect: Annotated[float, Field(ge=0, lt=1)] = 0.1


@dataclass(frozen=True, kw_only=True, config=SECTION)
class WhenSection:
    """What new data must bring before a model is trained; any one is enough, none is always.

    `new_rows` is a number of rows, or below 1 their share of those trained on. `live_score_drop` is
    by how much the score in reports/live.json must surely be worse than the champion's test score,
    in the unit of the metric.
    """

    new_rows: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] | None = None
    drift: bool = False
    live_score_drop: Annotated[float, Field(ge=0)] | None = None
    champion_age_days: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, kw_only=True, config=SECTION)
class LiveSection:
    """Where the live score comes from.

    `log` is the file that `layerline serve --request-log` writes; `id` is the column of label files
    that holds the ids that `--log-id` keeps.
    """

    log: Annotated[str, Field(min_length=1)] = ".layerline/requests.jsonl"
    id: Annotated[str, Field(min_length=1)] = "id"


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
    """A mail server; `password` is the name of the environment variable that holds it."""

    host: Text
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Text
    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    user: str | None = None
    password: Variable | None = None


@dataclass(frozen=True, kw_only=True, config=SECTION)
class AlertsSection:
    """Who is told when retraining fails, recovers, promotes, or finds drift.

    `webhook` is the name of the environment variable that holds the URL, `command` a program and
    its arguments, which gets the alert as JSON on its standard input.
    """

    webhook: Variable | None = None
    smtp: SmtpSection | None = None
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None


@dataclass(frozen=True, kw_only=True, config=SECTION)
class RetrainSection:
    """How `layerline retrain` runs.

    `promote` says who makes a version that passed the gate the champion: the gate itself, or the
    test of the rows that it predicts as a shadow (`layerline serve --shadow`); until that has
    decided, or for `shadow_days`, no later version takes its place. `rollback` gives the alias back
    when the champion is surely worse on labelled rows than the version before it.
    """

    wait_seconds: Annotated[float, Field(ge=0)] = 60.0
    when: WhenSection = WhenSection()
    drift: DriftSection = DriftSection()
    live: LiveSection = LiveSection()
    alerts: AlertsSection = AlertsSection()
    promote: Literal["gate", "shadow"] = "gate"
    shadow_days: Annotated[float, Field(gt=0)] = 30.0
    rollback: bool = False
