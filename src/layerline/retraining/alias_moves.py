"""What live rows have decided of the champion: the shadow's promotion, or the way back.

A run of `layerline retrain` that moves the alias does nothing else: the next one compares what is
new with the new champion.
"""

from collections.abc import Callable
from typing import NamedTuple

from layerline.artifacts import Workspace
from layerline.config import Params
from layerline.errors import LayerlineError
from layerline.registry.administration import promote_version, rollback_champion
from layerline.registry.client import open_registry, registry_lock
from layerline.registry.promotion import PREVIOUS, champion_of, drop_challenger, versions_of
from layerline.retraining.log import PROMOTED, ROLLED_BACK
from layerline.retraining.predecessor import weigh_predecessor
from layerline.retraining.sequential_test import DROP, PROMOTE
from layerline.retraining.shadow_verdict import Pair, look_at_shadow, verdict_line

Report = Callable[[str], None]


class Change(NamedTuple):
    """A champion that was replaced: the run's outcome, its message, and the champion now."""

    outcome: str
    message: str
    champion: int


def move_alias(workspace: Workspace, params: Params, report: Report) -> Change | None:
    """Roll back or promote, where params.yaml asks for it and the rows are sure; else None.

    Raises:
        TrackingError: the store is unavailable.
        SourceError: the version that should become champion is damaged.
    """
    if params.retrain.rollback and (change := _roll_back(workspace, params, report)):
        return change
    if params.retrain.promote == "shadow":
        return _settle_shadow(workspace, params, report)
    return None


def _settle_shadow(workspace: Workspace, params: Params, report: Report) -> Change | None:
    try:
        facts = look_at_shadow(workspace, params)
    except LayerlineError as error:  # a new version may be the remedy: training goes on
        report(f"note: the shadow's test was not made: {error}")
        return None
    if facts is None:
        return None
    line = f"shadow: {verdict_line(facts)}"
    report(line)
    home, project, version = workspace.home, params.project, facts["challenger"]
    if facts["decision"] == DROP:
        with registry_lock(home, project), open_registry(home, f"dropping {version}") as client:
            drop_challenger(client, project, version)
    if facts["decision"] != PROMOTE:
        return None
    promote_version(home, project, params.register.alias, version, by="shadow")
    return Change(PROMOTED, line, int(version))


def _roll_back(workspace: Workspace, params: Params, report: Report) -> Change | None:
    pair = _reign(workspace, params)
    if pair is None:
        return None
    try:
        found = weigh_predecessor(workspace, params, pair)
    except LayerlineError as error:
        report(f"note: the champion was not compared with version {pair.challenger}: {error}")
        return None
    if found is None or found[0].decision != PROMOTE:
        return None
    rollback_champion(workspace.home, params.project, params.register.alias, by="live score")
    return Change(ROLLED_BACK, found[1], int(pair.challenger))


def _reign(workspace: Workspace, params: Params) -> Pair | None:
    """The champion and the version before it, where that is still registered."""
    project = params.project
    with open_registry(workspace.home, f"looking for the champion of {project}") as client:
        champion = champion_of(client, project, params.register.alias)
        before = None if champion is None else champion.tags.get(PREVIOUS)
        known = {str(one.version) for one in versions_of(client, project)} if before else ()
    if champion is None or before not in known:
        return None
    return Pair(str(champion.version), str(before))
