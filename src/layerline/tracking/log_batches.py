"""Events gathered for one call of MLflow's log_batch, with names and values it accepts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerline.tracking.mlflow_names import grouped, stored_tag

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow takes 1,000 metrics, 100 params, 100 tags, and 1,000 of all together.
MAX_METRICS = 800
MAX_PARAMS = 100
MAX_TAGS = 99  # and the cursor
_MAX_NAME, _MAX_PARAM, _MAX_TAG = 250, 6000, 8000


@dataclass
class Batch:
    """What one log_batch sends: `params` holds new ones only, a changed one is a tag.

    Sending a batch again changes nothing: MLflow keys a metric by name, time, step and value,
    ignores an equal param, and replaces tags. Tags are written last and the cursor is one of
    them, so what the cursor counts as sent was sent.
    """

    known_params: dict[str, str]
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        return (
            len(self.metrics) >= MAX_METRICS
            or len(self.params) >= MAX_PARAMS
            or len(self.tags) >= MAX_TAGS
        )

    @property
    def is_empty(self) -> bool:
        return not (self.metrics or self.params or self.tags)

    def add_metric(self, name: str, value: float, time_ms: int, step: int) -> None:
        self.metrics.append((clean_name(grouped(name)), value, time_ms, step))

    def add_tag(self, name: str, value: str) -> None:
        self.tags[stored_tag(clean_name(name))] = value[:_MAX_TAG]

    def add_param(self, name: str, value: str) -> None:
        """Add a param, or what it changed to: MLflow's params are written once."""
        name = clean_name(name)
        if len(value) > _MAX_PARAM:
            note = f"the first {_MAX_PARAM} of {len(value)} characters; params.yaml has all"
            self.add_tag(f"layerline.cut.{name}", note)
        value = value[:_MAX_PARAM]
        first = self.known_params.setdefault(name, value)
        if first != value:
            self.add_tag(f"layerline.changed.{name}", value)
        else:
            self.params[name] = value

    def send(self, client: "MlflowClient", run_id: str, cursor: Mapping[str, str]) -> None:
        """Send all of it and start empty; `cursor` is one more tag."""
        from mlflow.entities import Metric, Param, RunTag

        tags = {**self.tags, **cursor}
        client.log_batch(
            run_id,
            metrics=[Metric(*metric) for metric in self.metrics],
            params=[Param(name, value) for name, value in self.params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self.metrics, self.params, self.tags = [], {}, {}


def clean_name(name: str) -> str:
    """A name that MLflow accepts: few special characters, and only plain relative paths."""
    parts = re.sub(r"[^\w.\- :/]", "_", name).split("/")
    kept = "/".join(part for part in parts if part not in ("", ".", ".."))
    return kept[:_MAX_NAME].rstrip("/") or "_"
