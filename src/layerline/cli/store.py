"""`layerline flush` and `ui`: MLflow's store, filled and opened."""

import os

import click

from layerline.artifacts import Workspace, find_workspace, read_json
from layerline.cli.command import handle_errors
from layerline.process import module_command
from layerline.text import plural


@click.command()
@handle_errors
def flush() -> None:
    """Send what the journals still hold to MLflow (after a server was down, for example)."""
    from layerline.errors import TrackingError
    from layerline.tracking.flush import flush as send
    from layerline.tracking.journal_damage import unreported_damage

    home = find_workspace().home
    report = send(home, wait_seconds=30)
    click.echo(f"{plural(report.sent, 'journal')} sent, {report.waiting} waiting")
    for message in unreported_damage(home):
        click.echo(f"tracking: {message}", err=True)
    if report.errors:
        raise TrackingError("; ".join(report.errors))


@click.command()
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@handle_errors
def ui(port: int) -> None:
    """Open MLflow's UI on this project's runs, on http://127.0.0.1:PORT."""
    from layerline.tracking import ui_app
    from layerline.tracking.run_list import run_list
    from layerline.tracking.store import ensure_store, tracking_uri

    workspace = find_workspace()
    home = workspace.home
    uri = tracking_uri(home)
    if uri.startswith(("http://", "https://")):
        click.echo("MLFLOW_TRACKING_URI is a server with its own UI: open that address")
        return
    ensure_store(home)
    # Jobs are of no use here, and without them the server starts in half the time.
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # not an argument: it may hold a password
    os.environ["PYTHONSAFEPATH"] = "1"  # as module_command's -P, for the server's own processes
    command = module_command("mlflow", "ui", "--port", str(port), "--workers", "1")
    experiment = _experiment(workspace)
    if experiment is not None:
        place = run_list(experiment, port)
        click.echo(f"the runs: {place}", err=True)
        os.environ[ui_app.START] = "#" + place.partition("#")[2]
    if ui_app.is_installed():
        command += ["--app-name", ui_app.NAME]
    os.execv(command[0], command)  # noqa: S606 - a fixed command, without a shell


def _experiment(workspace: Workspace) -> str | None:
    """The id of the experiment of the last training here."""
    verdict = workspace.reports / "registration.json"
    found = read_json(verdict).get("experiment_id") if verdict.exists() else None
    return None if found is None else str(found)
