"""`layerline explore`: a page on which a network is run, changed and learnt."""

import sys
from pathlib import Path

import click

from layerline.artifacts import find_workspace
from layerline.cli.command import handle_errors
from layerline.cli.output import print_json, print_notes

LARGE_BYTES = 20_000_000
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("model", metavar="[MODEL_OR_RUN]", required=False)
@click.option("--textbook", is_flag=True, help="Seven layers with zero biases, on digits.")
@click.option(
    "--output",
    metavar="FILE.html",
    type=_FILE,
    help="Where to write the page.  [default: reports/explorer.html]",
)
@click.option(
    "--notebook", metavar="FILE.py", type=_FILE, help="Also write the walk as a marimo notebook."
)
@click.option("--beside", metavar="MODEL_OR_RUN", help="A second model, for the same rows.")
@click.option("--no-browser", is_flag=True, help="Only write the page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def explore(
    model: str | None,
    textbook: bool,
    output: Path | None,
    notebook: Path | None,
    beside: str | None,
    **options: bool,
) -> None:
    """Write a network as one HTML page that runs it, offline, and open it in the browser.

    What the last `layerline drift` found is on it, where the model reads its columns.
    MODEL_OR_RUN is models:/NAME@champion, models:/NAME/3, a run of this project (its id, name or
    `champion`), or a model's folder. Without it, the model in models/.
    """
    if textbook and model is not None:
        raise click.UsageError("give either MODEL_OR_RUN or --textbook, not both")
    from layerline.explorer.build_page import write_page
    from layerline.explorer.find_model import TEXTBOOK, open_exhibit

    workspace = find_workspace()
    exhibit = open_exhibit(TEXTBOOK if textbook else model, workspace.root)
    if workspace.params.is_file():
        exhibit = exhibit.with_drift(workspace.reports / "drift" / "drift.json")
    if beside is not None:
        exhibit = exhibit.with_beside(open_exhibit(beside, workspace.root))
    page = output or (workspace.reports if workspace.params.is_file() else Path()) / "explorer.html"
    n_bytes = write_page(page, exhibit)
    if notebook is not None:
        from layerline.explorer.notebook import write_notebook

        write_notebook(notebook, exhibit)
    if n_bytes > LARGE_BYTES:
        note = "the network has as many weights as that; a browser opens the page, mail may not"
        print_notes([f"{page} is large ({n_bytes / 1e6:.0f} MB): {note}"])
    if options["as_json"]:
        written = None if notebook is None else str(notebook)
        print_json({"page": str(page), "bytes": n_bytes, "notebook": written})
    else:
        click.echo(f"{page}  {n_bytes:,} bytes")
        if notebook is not None:
            click.echo(f"{notebook}  run it by `python {notebook}`, or `marimo edit {notebook}`")
    if not options["no_browser"] and sys.stdout.isatty():
        click.launch(page.resolve().as_uri())
