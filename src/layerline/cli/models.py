"""`layerline predict`, `promote`, `rollback`: registered models."""

from pathlib import Path
from typing import cast

import click

from layerline.artifacts import Workspace
from layerline.cli.running import explained, here
from layerline.config import Params, load_params


@click.command()
@click.argument("input_file", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option("--model", help="A model URI; default: models:/<project>@<alias> of params.yaml.")
@explained
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


@click.command()
@click.argument("version", type=int)
@explained
def promote(version: int) -> None:
    """Make VERSION the champion, whatever the gate said."""
    from layerline.registry.promotion import promote_by_hand

    workspace, params = here()
    alias = params.register.alias
    before = promote_by_hand(workspace.home, params.project, alias, str(version))
    click.echo(f"models:/{params.project}@{alias} is now version {version}; before: {before}")


@click.command()
@explained
def rollback() -> None:
    """Give the champion's alias back to the version that held it before."""
    from layerline.registry.promotion import rollback_by_hand

    workspace, params = here()
    alias = params.register.alias
    version = rollback_by_hand(workspace.home, params.project, alias)
    click.echo(f"models:/{params.project}@{alias} is version {version} again")
