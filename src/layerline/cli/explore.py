"""`layerline explore`: a page on which a network is run, changed and learnt."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerline.artifacts import STAGES, find_workspace
from layerline.cli.command import handle_errors
from layerline.cli.output import print_json, print_notes
from layerline.errors import SourceError
from layerline.text import listing

if TYPE_CHECKING:
    from layerline.explorer.find_model import Exhibit

LARGE_BYTES = 20_000_000
MADE_BY = STAGES[: STAGES.index("evaluate") + 1]
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
@click.option("--log", is_flag=True, help="Attach the page to the model's run in MLflow.")
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

    What the last `layerline drift` found is on it, where the model reads its columns, and the model
    card of its training.
    MODEL_OR_RUN is models:/NAME@champion, models:/NAME/3, a run of this project (its id, name or
    `champion`), or a model's folder. Without it, the model in models/.
    """
    if textbook and model is not None:
        raise click.UsageError("give either MODEL_OR_RUN or --textbook, not both")
    from layerline.explorer.build_page import write_page
    from layerline.explorer.find_model import TEXTBOOK, open_exhibit
    from layerline.projects.outdated import outdated

    workspace = find_workspace()
    exhibit = open_exhibit(TEXTBOOK if textbook else model, workspace.root)
    if workspace.params.is_file():
        exhibit = exhibit.with_drift(workspace.reports / "drift" / "drift.json")
    if beside is not None:
        exhibit = exhibit.with_beside(open_exhibit(beside, workspace.root))
    page = output or (workspace.reports if workspace.params.is_file() else Path()) / "explorer.html"
    n_bytes = write_page(page, exhibit)
    run_id = _attach(page, exhibit) if options["log"] else None
    if notebook is not None:
        from layerline.explorer.notebook import write_notebook

        write_notebook(notebook, exhibit)
    changes = outdated(workspace, MADE_BY) if model is None and not textbook else []
    if changes:
        shown = f"params.yaml has changed since this model was trained ({listing(changes, 3)})"
        print_notes([f"{shown}; `dvc repro` updates it"])
    if n_bytes > LARGE_BYTES:
        note = "the network has as many weights as that; a browser opens the page, mail may not"
        print_notes([f"{page} is large ({n_bytes / 1e6:.0f} MB): {note}"])
    written = {"page": str(page), "bytes": n_bytes, "notebook": notebook and str(notebook)}
    _print_written(written | {"run": run_id}, options["as_json"])
    if not options["no_browser"] and sys.stdout.isatty():
        click.launch(page.resolve().as_uri())


def _print_written(written: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(written)
        return
    click.echo(f"{written['page']}  {written['bytes']:,} bytes")
    if run_id := written["run"]:
        click.echo(f"attached to the run {run_id} in MLflow")
    if notebook := written["notebook"]:
        click.echo(f"{notebook}  run it by `python {notebook}`, or `marimo edit {notebook}`")


def _attach(page: Path, exhibit: "Exhibit") -> str:
    if exhibit.home is None:
        raise SourceError(f"{exhibit.title}: belongs to no run; leave --log out")
    return exhibit.home.attach(page)
