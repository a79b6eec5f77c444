"""`layerline study`: questions that many small trainings answer."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerline.cli.command import explained, here
from layerline.cli.output import print_table
from layerline.errors import ParamsError, Problem

if TYPE_CHECKING:
    from layerline.studies.trial import Cell


@click.group()
def study() -> None:
    """Many small trainings, compared."""


def _read_sizes(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise click.BadParameter(f"{text!r} is no list of whole numbers above 0, like 10,50,200")
    return sizes


@study.command()
@click.option(
    "--rows",
    default="10,50,200",
    show_default=True,
    callback=_read_sizes,
    help="Labelled rows a class (of numbers: rows), separated by commas.",
)
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--steps",
    default=500,
    show_default=True,
    type=click.IntRange(min=1),
    help="Steps of the optimizer in each training, whatever its rows.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write; default: reports/study-transfer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained
def transfer(
    rows: tuple[int, ...], seeds: int, steps: int, output: Path | None, as_json: bool
) -> None:
    """Compare from scratch, feature extraction and fine-tuning by number of labelled rows.

    It starts from `train.transfer.from`, learns from data/scaled (`dvc repro scale` makes it) with
    `train`, and measures on the test rows. What was trained before is not trained again.
    """
    from layerline.origins import SourceContext, find_source
    from layerline.studies.report import write_study
    from layerline.studies.transfer_study import run_study

    workspace, params = here()
    section = params.train.transfer
    if section is None:
        message = "is not set; `transfer: {from: champion}` says what to start from"
        raise ParamsError([Problem("train.transfer", message)])
    source = find_source(
        SourceContext(workspace, params.project, params.register.alias), section.source
    )
    n_cells = 3 * len(set(rows)) * seeds
    with _progress(n_cells) as on_cell:
        found = run_study(workspace, params, source, rows, seeds, steps, on_cell)
    folder = output or workspace.reports / "study-transfer"
    write_study(folder, found)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    print_table(*found.table())
    click.echo(f"table, cells and curve: {folder}")


@contextlib.contextmanager
def _progress(n_cells: int) -> "Iterator[Callable[[Cell, float], None]]":
    """A bar on a terminal, a line a cell in a log; both on stderr."""
    from tqdm import tqdm

    with tqdm(total=n_cells, desc="study", unit="training", disable=None, leave=False) as bar:

        def tell(cell: "Cell", figure: float) -> None:
            line = f"{cell.mode}, {cell.size} rows, seed {cell.seed}: {figure:.4g}"
            if bar.disable:
                click.echo(f"study: {line}", err=True)
            bar.set_postfix_str(line)
            bar.update()

        yield tell
