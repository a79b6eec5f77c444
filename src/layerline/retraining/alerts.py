"""One message when the state of retraining changes, not one a run; a failing alert fails nothing.

The state is whether it works, which version is champion, and which columns drift. For each channel
.layerline/alerts.json keeps the state that was last sent, so that a message that could not be sent
is sent by the next run.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from layerline.artifacts import Workspace, write_json
from layerline.config import Params
from layerline.errors import LayerlineError
from layerline.masking import masked
from layerline.retraining.alert_channels import Alert, channels_of
from layerline.retraining.log import BUSY, FAILED, ROLLED_BACK, Record
from layerline.text import listing

STOPPED = (130, 143)  # by a person or the machine: they know


@dataclasses.dataclass(frozen=True)
class State:
    """What a message is about; `failed` is the exit code."""

    failed: int | None = None
    champion: int | None = None
    drifted: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "State":
        """The inverse of `dataclasses.asdict`."""
        return cls(state["failed"], state["champion"], tuple(state["drifted"]))

    def after(self, record: Record) -> "State":
        """The state after a run; what the run does not know stays."""
        if record.outcome == BUSY or record.exit_code in STOPPED:
            return self
        return State(
            failed=record.exit_code if record.outcome == FAILED else None,
            champion=record.champion_version or self.champion,
            drifted=self.drifted if record.drifted is None else record.drifted,
        )


def send_alerts(
    workspace: Workspace, params: Params, record: Record, report: Callable[[str], None]
) -> None:
    """Send what changed to every channel that does not know it yet; report what was not sent."""
    channels = channels_of(params.retrain.alerts)
    if not channels:
        return
    path = workspace.locks.parent / "alerts.json"
    known = _read(path)
    for name, send in channels.items():
        before = known.get(name, State())
        now = before.after(record)
        text = changes(before, now, record)
        try:
            if text:
                facts = dataclasses.asdict(record) | {"project": params.project}
                shown = masked(f"{params.project}: {text}")
                send(Alert(shown, json.loads(masked(json.dumps(facts)))))
            known[name] = now
        except (LayerlineError, OSError, ValueError) as error:
            report(f"note: the alert was not sent ({name}): {masked(str(error))}")
    try:
        write_json(path, {name: dataclasses.asdict(state) for name, state in known.items()})
    except OSError as error:
        report(f"note: {path}: cannot be written ({error.strerror}); the alert is repeated")


def _read(path: Path) -> dict[str, State]:
    """What was sent last; nothing where that is missing or damaged: a message may come twice."""
    try:
        content = json.loads(path.read_text("utf-8"))
        return {name: State.from_json(state) for name, state in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def changes(before: State, now: State, record: Record) -> str:
    """What changed, in one line; "" when nothing did."""
    found = []
    if now.failed is not None and now.failed != before.failed:
        found.append(f"retraining fails with exit code {now.failed}: {record.message}")
    elif now.failed is None and before.failed is not None:
        found.append("retraining works again")
    if now.champion != before.champion:
        why = f" again: {record.message}" if record.outcome == ROLLED_BACK else ""
        found.append(f"version {now.champion} is the champion{why}")
    if set(now.drifted) != set(before.drifted):
        drift = f"drift in {listing(now.drifted, 5)}" if now.drifted else "no drift any more"
        found.append(drift)
    return "; ".join(found)
