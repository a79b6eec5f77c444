"""`layerline study run` and `study work`: better params, searched for."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_table, training_progress
from layerline.errors import DivergedError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from layerline.studies.search_report import SearchResult
    from layerline.studies.study_setup import Search

_NAME = click.argument("name", required=False)
_TRIALS = click.option("--trials", type=click.IntRange(1, 1_000_000), help="Planned trials in all.")
_MINUTES = click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Begin no trial after that long."
)
_STORAGE = click.option(
    "--storage",
    envvar="LAYERLINE_STUDY_STORAGE",
    help="Database for several machines: postgresql://..., or grpc://HOST:PORT.",
)


@dataclasses.dataclass(frozen=True)
class _RunOptions:
    trials: int | None
    minutes: float | None
    workers: int
    storage: str | None
    is_applied: bool
    is_new: bool
    as_json: bool


@click.command()
@_NAME
@_TRIALS
@_MINUTES
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256))
@_STORAGE
@click.option("--apply", "is_applied", is_flag=True, help="Write the best trial to params.yaml.")
@click.option("--new", "is_new", is_flag=True, help="Forget the trials of an earlier run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def run(name: str | None, **given: Any) -> None:
    """Search for better params by validation rows.

    NAME is a file of recipes/studies, or a path; without it, the section `study` of params.yaml.
    A study that was stopped goes on where it was. Reads data/scaled (`dvc repro scale` makes it);
    writes reports/studies/NAME.
    """
    from layerline.studies.search import run_search
    from layerline.studies.search_report import read_result, write_result
    from layerline.studies.study_journal import open_report_journal
    from layerline.studies.study_setup import read_search

    options = _RunOptions(**given)
    workspace, _ = open_project()
    search = read_search(workspace, name, options.trials)
    opened = search.open(options.storage, options.is_new)
    is_interrupted = False
    try:
        with _trial_progress(search) as on_trial:
            run_search(
                search,
                opened,
                workers=options.workers,
                minutes=options.minutes or search.section.minutes,
                url=options.storage,
                on_trial=on_trial,
            )
    except KeyboardInterrupt:
        is_interrupted = True
    result = read_result(search, opened)
    with open_report_journal(search, opened, is_sent=not is_interrupted) as journal:
        folder = workspace.reports / "studies" / search.name
        write_result(folder, result, opened)
        journal.artifact(folder, "study")
        _report(result, folder, options.is_applied and not is_interrupted, options.as_json)
    if is_interrupted:
        click.echo("study: interrupted; run it again to go on", err=True)
        raise SystemExit(130)
    if (failure := result.only_failure) is not None:
        raise DivergedError(
            f"study: no trial has a value, all {len(result.rows)} failed; the first: {failure}"
        )


def _report(result: "SearchResult", folder: Path, is_applied: bool, as_json: bool) -> None:
    from layerline.projects.param_paths import write_values
    from layerline.studies.search_report import summary

    if is_applied and result.best is not None:
        write_values(result.search.bench.workspace.params, result.best.params)
    if as_json:
        print_json(result.to_json())
        return
    print_table(*result.table(10))
    click.echo(summary(result))
    click.echo(f"trials, plots and page: {folder}")
    if is_applied and result.best is not None:
        # No network of folds has learnt from the rows that the stage trains on.
        trained = "a network with them" if result.search.section.folds else "its network again"
        click.echo(f"params.yaml has the best trial's params; `dvc repro` trains {trained}")


@click.command()
@_NAME
@_TRIALS
@_MINUTES
@_STORAGE
@handle_errors
def work(name: str | None, trials: int | None, minutes: float | None, storage: str | None) -> None:
    """Help a study that `layerline study run` started, from another terminal or machine.

    Each machine needs the project with the same params and data, and the study's --storage.
    """
    from layerline.studies.search_worker import Worker
    from layerline.studies.study_setup import read_search

    workspace, _ = open_project()
    search = read_search(workspace, name, trials)
    Worker(search, search.open(storage), minutes).run()


@contextlib.contextmanager
def _trial_progress(search: "Search") -> "Iterator[Callable[[FrozenTrial], None]]":
    """The trials that are done, and the best value so far."""
    from layerline.studies.trial_line import trial_line

    sign = 1 if search.objectives[0].is_lower_better else -1
    values: list[float] = []
    with training_progress(search.n_trials, "trial") as show:

        def report(trial: "FrozenTrial") -> None:
            if trial.state.name == "COMPLETE":
                values.append(sign * trial.values[0])
            best = f"best {sign * min(values):.5g}" if values else ""
            show(trial_line(search, trial), best)

        yield report
