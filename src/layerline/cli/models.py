"""`layerline export`, `promote`, `rollback`, `history`, `verify`: registered models."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerline.artifacts import Workspace, find_workspace
from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_table
from layerline.config import Params
from layerline.errors import SourceError

if TYPE_CHECKING:
    from layerline.registry.administration import Move


@click.command()
@click.argument("model_uri")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--format",
    "formats",
    type=click.Choice(["onnx", "torch"]),
    multiple=True,
    default=["onnx", "torch"],
    show_default=True,
)
@handle_errors
def export(model_uri: str, folder: Path, formats: tuple[str, ...]) -> None:
    """Write MODEL_URI into FOLDER for other runtimes, preprocessing included.

    MODEL_URI is models:/NAME@champion, models:/NAME/3 or another MLflow URI.
    """
    from layerline.model.exporting.export import export_bundle
    from layerline.registry.download import registered_bundle

    with registered_bundle(model_uri, find_workspace().home) as bundle:
        export_bundle(bundle, formats, folder)
    for path in sorted(folder.iterdir()):
        click.echo(f"{path}  {path.stat().st_size:,} bytes")


_DRY_RUN = click.option("--dry-run", is_flag=True, help="Check and report, change nothing.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("version")
@_DRY_RUN
@_JSON
@handle_errors
def promote(version: str, dry_run: bool, as_json: bool) -> None:
    """Make VERSION the champion, whatever the gate decided, after verifying it.

    VERSION is a number (3 or v3), an alias such as challenger, or the run that registered it.
    """
    from layerline.registry.administration import promote_version

    workspace, params = open_project()
    number = _number_of(workspace, params, version)
    project, alias = params.project, params.register.alias
    _print_move(promote_version(workspace.home, project, alias, number, dry_run=dry_run), as_json)


def _number_of(workspace: Workspace, params: Params, version: str) -> str:
    from layerline.registry.client import open_registry
    from layerline.runs.resolve import choose_version

    with open_registry(workspace.home, f"looking for version {version}") as client:
        return choose_version(client, params.project, version, params.register.alias)


@click.command()
@_DRY_RUN
@_JSON
@handle_errors
def rollback(dry_run: bool, as_json: bool) -> None:
    """Move the champion's alias back to the version that held it before."""
    from layerline.registry.administration import rollback_champion

    workspace, params = open_project()
    move = rollback_champion(workspace.home, params.project, params.register.alias, dry_run=dry_run)
    _print_move(move, as_json)


def _print_move(move: "Move", as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(move))
        return
    verb = "would be" if move.dry_run else "is now"
    before = f"version {move.before}" if move.before else "none"
    click.echo(f"models:/{move.project}@{move.alias} {verb} version {move.after}; before: {before}")


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@_JSON
@handle_errors
def history(limit: int, as_json: bool) -> None:
    """List the versions, newest first: aliases, the gate's verdict, when each was champion."""
    from layerline.registry.administration import history as read_history

    workspace, params = open_project()
    lines = read_history(workspace.home, params.project)
    if as_json:
        print_json(lines[:limit])
        return
    if not lines:
        click.echo(f"{params.project} has no versions yet; `dvc repro` registers one")
        return
    headers = ["version", "alias", "registered", "verdict", "champion since", "verified", "reason"]
    print_table(headers, [_history_cells(line) for line in lines[:limit]])
    if len(lines) > limit:
        click.echo(f"note: showing the newest {limit} of {len(lines)}; see --limit", err=True)


def _history_cells(line: Mapping[str, Any]) -> list[str]:
    reigns = [f"{reign['at'][:16].replace('T', ' ')} by {reign['by']}" for reign in line["reigns"]]
    return [
        str(line["version"]),
        ", ".join(line["aliases"]),
        line["registered"][:16].replace("T", " "),
        line["verdict"] or "",
        ", ".join(reigns),
        (line["verified"] or "")[:23].replace("T", " "),
        line["reason"] or "",
    ]


@click.command()
@click.argument("version", required=False)
@click.option("--all", "every", is_flag=True, help="Verify every version of the project.")
@click.option("--dry-run", is_flag=True, help="Do not write the result into the version's tags.")
@_JSON
@handle_errors
def verify(version: str | None, every: bool, dry_run: bool, as_json: bool) -> None:
    """Recompute a version's hashes and reproduce its recorded predictions in a fresh process.

    VERSION is named as for `layerline promote`; without it the champion. Exit code 4 if anything
    differs.
    """
    from layerline.registry.administration import verify_versions

    if every and version is not None:
        raise click.UsageError("give either VERSION or --all, not both")
    workspace, params = open_project()
    wanted = "all" if every else None
    if version is not None:
        wanted = _number_of(workspace, params, version)
    alias = params.register.alias
    reports = verify_versions(workspace.home, params.project, alias, wanted, dry_run=dry_run)
    if as_json:
        print_json([report.to_json() for report in reports])
    else:
        words = {True: "ok", False: "DIFFERS", None: "not recorded"}
        rows = [
            [str(report.version), finding.what, words[finding.passed], finding.message]
            for report in reports
            for finding in report.findings
        ]
        print_table(["version", "what", "", "found"], rows)
    wrong = [str(report.version) for report in reports if not report.passed]
    if wrong:
        raise SourceError(
            f"{params.project}: changed since registration: version {', '.join(wrong)}; if it is "
            "the champion, run `layerline rollback` or promote another version"
        )
