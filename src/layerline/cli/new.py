"""`layerline new`: a repository of the user's own; `layerline code`, which its dvc.yaml calls."""

from pathlib import Path

import click

from layerline.artifacts import find_workspace
from layerline.cli.command import handle_errors


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@handle_errors
def new(folder: Path) -> None:
    """Start a project in FOLDER: an empty one, a repository, or a folder inside of one.

    What is there already stays. `dvc repro` in it trains on scikit-learn's digits at once;
    `layerline init FILE --target COLUMN` points it at a table of yours.
    """
    from layerline.projects.new import new_project

    new_project(folder, click.echo)
    click.echo(f"{folder} is a project; next: cd {folder} && dvc repro")


@click.command(hidden=True)
@handle_errors
def code() -> None:
    """Write which code of the installed package each stage depends on, for DVC."""
    from layerline.projects.code_hashes import write_code_hashes

    write_code_hashes(find_workspace().root)
