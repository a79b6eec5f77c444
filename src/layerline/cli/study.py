"""`layerline study`: many small trainings, compared."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerline.artifacts import Workspace, read_json
from layerline.cli.command import INTERRUPTED, handle_errors, open_project
from layerline.cli.output import print_json, print_table, training_progress
from layerline.cli.study_search import run, work
from layerline.errors import ParamsError, Problem
from layerline.text import plural

if TYPE_CHECKING:
    from layerline.studies.comparison import Cell as ComparisonCell
    from layerline.studies.comparison import Comparison, ComparisonSection
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
        raise click.BadParameter(
            f"{text!r} is not a list of whole numbers above 0, such as 10,50,200"
        )
    return sizes


@study.command()
@click.option(
    "--rows",
    default="10,50,200",
    show_default=True,
    callback=_read_sizes,
    help="Labelled rows per class (regression: rows), separated by commas.",
)
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--steps",
    default=500,
    show_default=True,
    type=click.IntRange(min=1),
    help="Optimizer steps in each training, however many rows it has.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to; default: reports/study-transfer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def transfer(
    rows: tuple[int, ...], seeds: int, steps: int, output: Path | None, as_json: bool
) -> None:
    """Compare from scratch, feature extraction and fine-tuning by number of labelled rows.

    Starts from `train.transfer.from`, trains on data/scaled (`dvc repro scale` makes it) with the
    section `train`, and measures on the test rows. Trainings already done are not repeated.
    """
    from layerline.origins import SourceContext, find_source
    from layerline.projects.outdated import require_current
    from layerline.studies.study_report import write_study
    from layerline.studies.transfer_study import StudyPlan, run_study

    workspace, params = open_project()
    section = params.train.transfer
    if section is None:
        message = "is not set; set `transfer: {from: champion}`, for example"
        raise ParamsError([Problem("train.transfer", message)])
    require_current(workspace, "scale")
    source = find_source(
        SourceContext(workspace, params.project, params.register.alias), section.source
    )
    plan = StudyPlan(rows, seeds, steps)
    with training_progress(len(plan.cells), "training") as report:

        def on_cell(cell: "Cell", figure: float) -> None:
            report(f"{cell.mode}, {cell.size} rows, seed {cell.seed}: {figure:.4g}")

        found = run_study(workspace, params, source, plan, on_cell)
    folder = output or workspace.reports / "study-transfer"
    write_study(folder, found)
    if as_json:
        print_json(found.to_json())
        return
    print_table(*found.table())
    click.echo(f"table, cells and curve: {folder}")


@study.command()
@click.argument("name")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Trainings of each variant.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def compare(name: str, seeds: int | None, as_json: bool) -> None:
    """Answer a question by several variants of params, each trained from the same seeds.

    NAME is a file of recipes/studies, or a path. Reads data/scaled (`dvc repro scale` makes it),
    writes reports/studies/NAME. Trainings already done are not repeated.
    """
    from layerline.studies.comparison import read_comparison
    from layerline.studies.variant_report import (
        summarise,
        table,
        twice_the_rows,
        verdict,
        write_comparison,
    )

    workspace, _ = open_project()
    name, section = read_comparison(workspace, name)
    n_seeds = seeds or section.seeds
    found = _run_variants(workspace, name, section, n_seeds)
    n_done = len({cell.seed for cell in found.cells})
    folder = workspace.reports / "studies" / name
    write_comparison(folder, found)
    if as_json:
        print_json(read_json(folder / "comparison.json"))
    else:
        print_table(*table(found), title=section.question)
        first, *_ = section.variants
        for summary in summarise(found):
            click.echo(verdict(summary, first).replace("**", ""))
        if outlook := twice_the_rows(found):
            click.echo(outlook)
        click.echo(f"table, plots and page: {folder}")
    if n_done < n_seeds:
        what = f"study: interrupted, with {n_done} of {plural(n_seeds, 'seed')}"
        click.echo(f"{what}; run it again to go on", err=True)
        raise SystemExit(INTERRUPTED)


def _run_variants(
    workspace: Workspace, name: str, section: "ComparisonSection", n_seeds: int
) -> "Comparison":
    """All trainings; after Ctrl-C those of the seeds that every variant has, if there is one."""
    from layerline.studies.comparison import run_comparison

    n_variants, n_cells = len(section.variants), 0
    with training_progress(n_seeds * n_variants, "training") as report:

        def on_cell(cell: "ComparisonCell") -> None:
            nonlocal n_cells
            n_cells += 1
            shown = "diverged" if cell.value is None else f"{cell.value:.4g}"
            report(f"{cell.variant}, seed {cell.seed}: {shown}")

        try:
            return run_comparison(workspace, name, section, n_seeds, on_cell)
        except KeyboardInterrupt:
            if n_cells < n_variants:
                raise
    return run_comparison(workspace, name, section, n_cells // n_variants)


study.add_command(run)
study.add_command(work)
