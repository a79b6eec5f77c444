"""`layerline results`, `flush`, `ui`: what was tried, and how it went."""

import json
import os
import sys
from pathlib import Path

import click

from layerline.artifacts import Workspace, read_json
from layerline.cli.command import explained, here
from layerline.text import readable


@click.command()
@explained
def flush() -> None:
    """Send what the journals still hold to MLflow (after a server was down, say)."""
    from layerline.errors import TrackingError
    from layerline.tracking.flush import flush as send

    report = send(Workspace(Path()).home, wait_seconds=30)
    click.echo(f"{report.sent} journals sent, {report.waiting} waiting")
    if report.errors:
        raise TrackingError("; ".join(report.errors))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@explained
def results(as_json: bool) -> None:
    """Print the figures of the last run, the registry's verdict, and how to open the UI."""
    workspace, params = here()
    metrics = read_json(workspace.reports / "metrics.json")
    report = workspace.reports / "registration.json"
    verdict = read_json(report) if report.exists() else None  # registering alone may have failed
    if as_json:
        click.echo(json.dumps({"metrics": metrics, "registration": verdict}, indent=2))
        return
    _print_table(params.project, metrics)
    click.echo(f"{verdict['model_uri']}: {verdict['reason']}" if verdict else "not registered yet")
    click.echo("look at the runs: make ui   (or: layerline ui), then http://127.0.0.1:5000")


def _print_table(project: str, metrics: dict[str, dict[str, float]]) -> None:
    from rich.console import Console
    from rich.table import Table

    splits = ("train", "valid", "test")
    table = Table(project, *splits)
    for name in metrics["test"]:
        values = (metrics[split].get(name) for split in splits)
        table.add_row(name, *("" if value is None else readable(value) for value in values))
    Console().print(table)


@click.command()
@click.option("--port", default=5000, show_default=True)
@explained
def ui(port: int) -> None:
    """Open MLflow's UI on this checkout's runs, on http://127.0.0.1:PORT."""
    from layerline.tracking.store import ensure_store, tracking_uri

    home = Workspace(Path()).home
    uri = tracking_uri(home)
    if uri.startswith(("http://", "https://")):
        click.echo(
            "MLFLOW_TRACKING_URI names a server, which has a UI of its own: open that address"
        )
        return
    ensure_store(home)
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # not an argument: it may hold a password
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port)]
    os.execv(command[0], command)  # noqa: S606 - a fixed command, and no shell wanted
