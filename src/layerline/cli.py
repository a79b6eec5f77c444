"""The command `layerline`. Each command reads, calls and prints; the work is in the rooms.

To add a command: a function here with `@main.command()`, importing its room inside, so that
`layerline --help` stays quick.
"""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from layerline import __version__
from layerline.artifacts import Workspace, read_json, write_text
from layerline.config import FetchSection, Params, load_params, parse_params
from layerline.errors import LayerlineError, ParamsError, Problem
from layerline.stage.messages import tell_failure


def _explained(command: Callable[..., Any]) -> Callable[..., Any]:
    """End a command that fails for a user's reason with one message and its exit code."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except LayerlineError as error:
            sys.exit(tell_failure("layerline", error))

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Train, compare, register and keep retraining multilayer perceptrons on your own data."""


def _here() -> tuple[Workspace, Params]:
    workspace = Workspace(Path())
    return workspace, load_params(workspace.params)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="The column to predict.")
@click.option("--project", help="Names the experiment and the model; default: the file's name.")
@click.option("--force", is_flag=True, help="Infer the schema anew when the project has one.")
@_explained
def init(file: Path, target: str, project: str | None, force: bool) -> None:
    """Write params.yaml and a first schema for your own table (CSV, TSV or Parquet)."""
    from layerline.data.schema.files import write_schema
    from layerline.data.starting import start_project
    from layerline.data.watching import require_outside, watch

    workspace = Workspace(Path())
    if not (workspace.root / "dvc.yaml").is_file():
        click.echo("note: there is no dvc.yaml here; run this in the root of a Layerline checkout")
    name = project or _project_name(file)
    start = start_project(file, target, name, root=workspace.root)
    schema_path = workspace.root / "data" / "schemas" / f"{name}.yaml"
    _refuse_to_overwrite(schema_path, force)
    require_outside(workspace.root, _fetch_section(start.params))
    kept = _keep_earlier_params(workspace, start.params_text)
    write_schema(schema_path, start.schema)
    write_text(workspace.params, start.params_text)
    for note in start.notes:
        click.echo(f"note: {note}")
    click.echo(f"wrote params.yaml and {schema_path.relative_to(workspace.root)}{kept}")
    if (workspace.root / "dvc.yaml").is_file():
        section = load_params(workspace.params).fetch
        click.echo(
            f"dvc.yaml: fetch now watches {', '.join(watch(workspace.root / 'dvc.yaml', section))}"
        )
    click.echo("next: read both files, then run `dvc repro`")


def _fetch_section(raw: dict[str, Any]) -> FetchSection:
    params, problems = parse_params(raw)
    if params is None:
        raise ParamsError(problems)
    return params.fetch


def _project_name(file: Path) -> str:
    stem = file.name.split(".")[0]
    return "".join(
        letter if letter.isalnum() and letter.isascii() else "-" for letter in stem
    ).strip("-")


def _refuse_to_overwrite(schema_path: Path, force: bool) -> None:
    if schema_path.exists() and not force:
        message = "this schema is there already; edit it, choose another --project, or add --force"
        raise ParamsError([Problem(schema_path.name, message)], "data/schemas")


def _keep_earlier_params(workspace: Workspace, text: str) -> str:
    """Keep a params.yaml that differs under another name; say which."""
    if not workspace.params.exists() or workspace.params.read_text(encoding="utf-8") == text:
        return ""
    number, kept = 1, workspace.root / "params.earlier.yaml"
    while kept.exists():
        number += 1
        kept = workspace.root / f"params.earlier-{number}.yaml"
    workspace.params.rename(kept)
    return f"; the earlier params are in {kept.name}"


@main.command()
@click.option("--force", is_flag=True, help="Replace the schema that is there.")
@_explained
def schema(force: bool) -> None:
    """Infer the schema of data/raw and freeze it where params.yaml says."""
    from layerline.data.schema.files import write_schema
    from layerline.data.schema.inferring import advice
    from layerline.data.tables import read_table
    from layerline.data.validating import infer_from_raw

    workspace, params = _here()
    path = workspace.root / params.schema_path
    _refuse_to_overwrite(path, force)
    found = infer_from_raw(workspace)
    for note in advice(read_table(workspace.raw), found):
        click.echo(f"note: {note}")
    write_schema(path, found)
    click.echo(f"wrote {params.schema_path}: read it, edit it, commit it")


@main.command()
@_explained
def watch() -> None:
    """Make DVC watch the files that params.yaml names: they become deps of fetch in dvc.yaml."""
    from layerline.data.watching import watch as write_deps

    workspace, params = _here()
    paths = write_deps(workspace.root / "dvc.yaml", params.fetch)
    click.echo(f"dvc.yaml: fetch watches {', '.join(paths) or 'no file'}")


@main.command()
@click.argument("input_file", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option("--model", help="A model URI; default: models:/<project>@<alias> of params.yaml.")
@_explained
def predict(input_file: Path, output_file: Path, model: str | None) -> None:
    """Predict every row of INPUT (CSV, TSV, Parquet; .npy for images) into OUTPUT."""
    from layerline.registry.predicting import default_uri, dialect_of, predict_file

    workspace = Workspace(Path())
    params = load_params(workspace.params) if model is None or workspace.params.exists() else None
    report = predict_file(
        model or default_uri(cast("Params", params)),
        input_file,
        output_file,
        workspace.home,
        dialect=dialect_of(params),
    )
    click.echo(f"{report.n_rows:,} rows predicted by {report.model_uri} into {output_file}")


@main.command()
@click.argument("version", type=int)
@_explained
def promote(version: int) -> None:
    """Make VERSION the champion, whatever the gate said."""
    from layerline.registry.promotion import promote_by_hand

    workspace, params = _here()
    alias = params.register.alias
    before = promote_by_hand(workspace.home, params.project, alias, str(version))
    click.echo(f"models:/{params.project}@{alias} is now version {version}; before: {before}")


@main.command()
@_explained
def rollback() -> None:
    """Give the champion's alias back to the version that held it before."""
    from layerline.registry.promotion import rollback_by_hand

    workspace, params = _here()
    alias = params.register.alias
    version = rollback_by_hand(workspace.home, params.project, alias)
    click.echo(f"models:/{params.project}@{alias} is version {version} again")


@main.command()
@_explained
def flush() -> None:
    """Send what the journals still hold to MLflow (after a server was down, say)."""
    from layerline.errors import TrackingError
    from layerline.tracking.flush import flush as send

    report = send(Workspace(Path()).home, wait_seconds=30)
    click.echo(f"{report.sent} journals sent, {report.waiting} waiting")
    if report.errors:
        raise TrackingError("; ".join(report.errors))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@_explained
def results(as_json: bool) -> None:
    """Print the figures of the last run, the registry's verdict, and how to open the UI."""
    workspace, params = _here()
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

    names = list(metrics["test"])
    table = Table("split", *names, title=project)
    for split in ("train", "valid", "test"):
        figures = metrics[split]
        table.add_row(split, *(f"{figures[n]:.4g}" if n in figures else "" for n in names))
    Console().print(table)


@main.command()
@click.option("--port", default=5000, show_default=True)
@_explained
def ui(port: int) -> None:
    """Open MLflow's UI on this checkout's runs, on http://127.0.0.1:PORT."""
    import os

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
