"""`layerline runs`: past runs, what changed between them, who made a file, which runs are dead."""

from dataclasses import dataclass

import click

from layerline.artifacts import Workspace
from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_notes, print_table, terminal
from layerline.cli.run_table import print_listing
from layerline.config import Params

# \b keeps click from wrapping the lines.
EXAMPLES = """\b
Examples:
  layerline runs --limit 5
  layerline runs --why champion
  layerline runs --find data/raw/table.parquet
  layerline runs --sweep
"""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Options that replace the list; one at a time."""

    why: str | None
    find: str | None
    sweep: bool
    lost_host: tuple[str, ...]

    def __post_init__(self) -> None:
        if sum((self.why is not None, self.find is not None, self.sweep)) > 1:
            raise click.UsageError("--why, --find and --sweep exclude each other; give one")
        if self.lost_host and not self.sweep:
            raise click.UsageError("--lost-host goes with --sweep")


@click.command(epilog=EXAMPLES)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many runs, newest first.",
)
@click.option("--all-projects", is_flag=True, help="The runs of every project in the store.")
@click.option("--why", metavar="RUN", help="What changed between RUN and the run before it.")
@click.option(
    "--find", metavar="HASH", help="Which runs made or used this file (sha256, md5 or path)."
)
@click.option("--sweep", is_flag=True, help="Close runs marked RUNNING whose process has died.")
@click.option(
    "--lost-host",
    metavar="HOST",
    multiple=True,
    help="With --sweep: a machine that is gone permanently.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def runs(
    limit: int, all_projects: bool, as_json: bool, **asked: str | bool | tuple[str, ...] | None
) -> None:
    """List the training runs, newest first, each with what it changed.

    RUN is a run id or its beginning, a run's name, a DVC experiment, `champion` (or another alias
    of the model) or a version such as v3. HASH is the beginning (six digits or more) of a sha256 or
    md5, or the path of a file or folder.
    """
    question = Question(**asked)  # type: ignore[arg-type]
    workspace, params = open_project()
    if question.find is not None:
        _find(workspace, question.find, as_json)
    elif question.sweep:
        _sweep(workspace, question.lost_host, as_json)
    elif question.why is not None:
        _why(workspace, params, question.why, as_json)
    else:
        _list(workspace, None if all_projects else params.project, limit, as_json)


def _list(workspace: Workspace, project: str | None, limit: int, as_json: bool) -> None:
    from layerline.runs.list_runs import list_runs
    from layerline.runs.open_store import flush_first, open_store

    print_notes(flush_first(workspace.home))
    with open_store(workspace.home, "listing the runs") as client:
        listing = list_runs(client, project, limit)
    if as_json:
        print_json([row.to_json() for row in listing.rows])
        return
    if not listing.rows:
        click.echo(f"{project or 'the store'} has no training runs yet: `dvc repro` makes one")
        return
    print_listing(listing, with_project=project is None)
    if listing.has_more:
        print_notes([f"these are the {limit} newest; for more: --limit {limit * 5}"])
    dead = [row.run.short for row in listing.rows if row.seems_dead]
    if dead:
        print_notes([f"{', '.join(dead)}: RUNNING, but dead; `layerline runs --sweep` closes them"])


def _why(workspace: Workspace, params: Params, wanted: str, as_json: bool) -> None:
    from layerline.runs.explain import explain
    from layerline.runs.explanation_text import format_explanation
    from layerline.runs.open_store import flush_first, open_store
    from layerline.runs.resolve import choose

    print_notes(flush_first(workspace.home))
    with open_store(workspace.home, f"explaining {wanted}") as client:
        found = explain(client, choose(client, params.project, wanted, params.register.alias))
    if as_json:
        print_json(found.to_json())
    else:
        click.echo("\n".join(format_explanation(found)))


def _find(workspace: Workspace, text: str, as_json: bool) -> None:
    from layerline.runs.digests import wanted
    from layerline.runs.find import find
    from layerline.runs.open_store import flush_first, open_store

    asked = wanted(text)
    print_notes(flush_first(workspace.home))
    with open_store(workspace.home, f"looking for {text}") as client:
        found = find(client, workspace.home, asked)
    if as_json:
        print_json([hit.to_json() for hit in found.hits])
    elif found.hits:
        n_digits = None if terminal() is None else 12  # a pipe gets them all
        rows = [
            [hit.role, hit.who, ", ".join(hit.stages), hit.path, hit.digest[:n_digits]]
            for hit in found.hits
        ]
        print_table(["", "run", "at", "file", "hash"], rows, asked.text)
    else:
        click.echo(f"{asked.text}: no run in this store made or used it")
    print_notes(found.notes)


def _sweep(workspace: Workspace, lost_hosts: tuple[str, ...], as_json: bool) -> None:
    from layerline.runs.open_store import flush_first, open_store
    from layerline.runs.sweep import sweep_store

    print_notes(flush_first(workspace.home))
    with open_store(workspace.home, "closing dead runs") as client:
        swept, foreign = sweep_store(client, workspace.home, lost_hosts)
    if as_json:
        print_json([one.to_json() for one in swept])
    for one in swept if not as_json else ():
        fate = f"closed as {one.status}" if one.status else "left alone"
        click.echo(f"{one.run.short} {one.run.name} of {one.run.project}: {fate}: {one.reason}")
    if foreign:
        names = ", ".join(f"{run.short} {run.name}" for run in foreign)
        print_notes([f"also RUNNING, but left alone because other tools made them: {names}"])
    if not as_json and not any(one.status for one in swept):
        click.echo("no dead runs")
