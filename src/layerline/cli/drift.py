"""`layerline drift`: new rows against the training rows of a model."""

import json
import sys
from pathlib import Path

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_notes, print_table
from layerline.errors import ExitCode
from layerline.process import collect_rarely


@click.command()
@click.argument("source", metavar="FILE_OR_LOG", type=click.Path(path_type=Path))
@click.option(
    "--against",
    default=None,
    metavar="ALIAS_OR_URI",
    help="An alias, a version's number or a model URI; default: register.alias of params.yaml.",
)
@click.option("--fail", is_flag=True, help=f"Exit with {ExitCode.DRIFTED} if anything drifted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def drift(source: Path, against: str | None, fail: bool, as_json: bool) -> None:
    """Compare the rows of FILE_OR_LOG with those that the champion was trained on.

    The file is one that `layerline predict` reads, or what `layerline serve --request-log` writes.
    Writes reports/drift/drift.json and drift.html.
    """
    collect_rarely()
    from layerline.drift.drift_report import drift_table, joint_text, write_drift
    from layerline.drift.registered_drift import drift_of_file

    workspace, params = open_project()
    name = against or params.register.alias
    place = f"/{name}" if name.isdigit() else f"@{name}"
    uri = name if ":/" in name else f"models:/{params.project}{place}"
    found = drift_of_file(uri, source, workspace, params.retrain.drift)
    files = write_drift(workspace.reports / "drift", found, f"Drift of `{source.name}` from {uri}")
    if as_json:
        print_json(json.loads(files[0].read_bytes()))
    else:
        print_table(*drift_table(found, limit=20))
        print_notes([joint_text(found.joint)] if found.joint.skipped else [])
        click.echo(f"{found.line()}; {files[1]}")
    sys.exit(ExitCode.DRIFTED if fail and found.drifted else 0)
