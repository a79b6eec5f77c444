"""`layerline results`: the figures of the last run and the registry's verdict."""

import click

from layerline.artifacts import Workspace, read_json
from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_notes
from layerline.config import Params
from layerline.text import readable


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@handle_errors
def results(as_json: bool) -> None:
    """Print the metrics of the last run, the registry's verdict, and how to open the UI.

    Exit code 8 when the registry no longer has the model.
    """
    workspace, params = open_project()
    metrics = read_json(workspace.reports / "metrics.json")
    report = workspace.reports / "registration.json"
    verdict = read_json(report) if report.exists() else None  # registering alone may have failed
    if as_json:
        print_json({"metrics": metrics, "registration": verdict})
    else:
        _print_metrics(params.project, metrics)
        click.echo(f"{verdict['model_uri']}: {verdict['reason']}" if verdict else "not registered")
    _check_registry(workspace, params)
    if not as_json:
        click.echo("to see the runs: make ui   (or: layerline ui), then http://127.0.0.1:5000")


def _check_registry(workspace: Workspace, params: Params) -> None:
    """Refuse to pass over a model that the registry lost; a server that is down is only noted."""
    from layerline.errors import TrackingError
    from layerline.runs.registered_model import registry_problem
    from layerline.tracking.store_history import LostStoreError

    try:
        problem = registry_problem(workspace, params)
    except LostStoreError:
        raise
    except TrackingError as error:
        print_notes([f"the registry was not checked: {error}"])
        return
    if problem is not None:
        raise TrackingError(f"{problem}; register it again: `layerline register`")


def _print_metrics(project: str, metrics: dict[str, dict[str, float]]) -> None:
    from rich.console import Console
    from rich.table import Table

    splits = ("train", "valid", "test")
    table = Table(project, *splits)
    for name in metrics["test"]:
        values = (metrics[split].get(name) for split in splits)
        table.add_row(name, *("" if value is None else readable(value) for value in values))
    Console().print(table)
