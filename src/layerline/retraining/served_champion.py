"""What is known of the model that is served: its age, and its live score beside its test score."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from layerline.artifacts import Workspace, read_json_as
from layerline.config import Params
from layerline.errors import LayerlineError
from layerline.projects.adopt import unlike
from layerline.registry.client import open_registry
from layerline.registry.promotion import champion_of
from layerline.text import listing


class Champion(NamedTuple):
    """The served version; None where something is not known.

    Attributes:
        version: its number.
        since: when it was registered.
        live_drop: how much worse than its test score its live score surely is.
    """

    version: int | None = None
    since: datetime.datetime | None = None
    live_drop: float | None = None


def look_at_champion(workspace: Workspace, params: Params) -> Champion:
    """Read it from the registry and from reports/live.json.

    Raises:
        TrackingError: the store is unavailable.
        SourceError: reports/live.json is damaged.
    """
    project, alias = params.project, params.register.alias
    with open_registry(workspace.home, f"looking for the champion of {project}") as client:
        found = champion_of(client, project, alias)
    if found is None:
        return Champion()
    since = datetime.datetime.fromtimestamp(found.creation_timestamp / 1000, datetime.UTC)
    live = workspace.reports / "live.json"
    drop = read_json_as(live, _drops).get(str(found.version)) if live.exists() else None
    return Champion(int(found.version), since, drop)


def note_other_params(workspace: Workspace, params: Params) -> str:
    """What to know where the params are not those of the champion; empty where they are.

    The store may be away, or the champion's run lost: that is no reason not to train.
    """
    project, alias = params.project, params.register.alias
    try:
        with open_registry(workspace.home, "reading the champion's params") as client:
            found = champion_of(client, project, alias)
            if found is None or not found.run_id:
                return ""
            paths = unlike(workspace, client, found.run_id)
    except LayerlineError:
        return ""
    if not paths:
        return ""
    return (
        f"note: params.yaml is not what the champion, version {found.version}, was trained with "
        f"({listing(paths, 3)}); `layerline adopt {alias}` takes the champion's"
    )


def _drops(live: Mapping[str, Any]) -> dict[str, float | None]:
    return {version: facts["sure_drop"] for version, facts in live["versions"].items()}


def log_to_run(home: Path, run_id: str, files: Sequence[Path], folder: str) -> None:
    """Log files as artifacts of a run.

    Raises:
        TrackingError: the store is unavailable.
    """
    with open_registry(home, f"logging {folder}") as client:
        for file in files:
            client.log_artifact(run_id, str(file), folder)
