"""The register stage: bundle, log, load in a fresh process, compare, promote; under one lock.

Killed at any moment and run again it ends with one version and one champion: a version is found by
its hashes, and the alias moves in one call.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import MANIFEST, STAGES, Workspace, read_json_as
from layerline.artifacts.temporary import temporary_folder
from layerline.config import Params
from layerline.errors import TrackingError
from layerline.registry.client import open_registry, registry_lock
from layerline.registry.verifier import start_verifier
from layerline.tracking.flush import flush, run_id_of
from layerline.tracking.shared_looks import list_looks, read_looks
from layerline.tracking.spool import waiting_journals

if TYPE_CHECKING:
    from mlflow import MlflowClient

FLUSH_WAIT_SECONDS = 20.0


def register_model(
    workspace: Workspace, params: Params, run_key: str, report: Callable[[str], None]
) -> dict[str, Any]:
    """Register models/ as a version and promote it if it passes the gate.

    Args:
        workspace: the checkout.
        params: the whole params.yaml.
        run_key: the key of the training's run.
        report: shows the user one line.

    Returns:
        The content of reports/registration.json.

    Raises:
        TrackingError: the store is unavailable, or does not know the training's run.
        SourceError: an artifact is missing or damaged.
        BusyError: another registration did not end in time.
    """
    home, project = workspace.home, params.project
    threads = read_json_as(workspace.network / MANIFEST, lambda found: int(found.get("threads", 1)))
    with (
        start_verifier(home, threads) as verifier,
        temporary_folder() as folder,
    ):
        # Importing torch takes seconds in both processes: they do it at the same time.
        from layerline.registry.candidate import log_candidate, prepare
        from layerline.registry.contest import hold_contest
        from layerline.registry.description import describe

        candidate = prepare(workspace, params, _run_id(home, run_key), folder)
        with (
            registry_lock(home, project),
            open_registry(home, f"registering {project}") as client,
        ):
            version = log_candidate(client, candidate)
            report(f"{version.uri} {'logged' if version.is_new else 'already exists'}")
            facts = hold_contest(client, params, candidate, version, verifier)
            facts["experiment_id"] = client.get_run(candidate.run_id).info.experiment_id
            facts["test_looks"] = _share_looks(client, workspace, project, candidate.run_id)
            describe(client, workspace, candidate, facts)
    alias = f"models:/{project}@{params.register.alias}"
    holder = facts["champion_version"]
    verb = "is now" if facts["promoted"] else "stays"
    report(f"{alias} {verb} version {holder}" if holder else f"{alias}: no version yet")
    return facts


def _share_looks(client: "MlflowClient", workspace: Workspace, project: str, run_id: str) -> int:
    """The looks at the test rows by all whose runs are in the store, this one included."""
    from layerline.evaluation.looks import add_looks, hash_test_rows, look_names

    rows = hash_test_rows(workspace)
    add_looks(workspace, rows, read_looks(client, project, rows))
    names = look_names(workspace, rows)
    list_looks(client, run_id, rows, names)
    return len(names)


def _run_id(home: Path, key: str) -> str:
    flushed = flush(home, wait_seconds=FLUSH_WAIT_SECONDS)
    run_id = run_id_of(home, key)
    is_waiting = any(
        w.key == key and w.start["stage"] != STAGES[-1] for w in waiting_journals(home)
    )
    if flushed.errors and (run_id is None or is_waiting):  # other runs' journals hold up nothing
        raise TrackingError(flushed.errors[0])
    if run_id is None:
        raise TrackingError(
            "MLflow's store does not know the run of this training (was mlflow.db removed, or "
            "MLFLOW_TRACKING_URI changed?); run `layerline register`"
        )
    return run_id
