"""`layerline retrain`: one run of the whole pipeline, started by cron or systemd."""

import dataclasses
import sys
from typing import Any

import click

from layerline.artifacts import Workspace
from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_table
from layerline.cli.schedule import EVERY
from layerline.text import plural


@click.command()
@click.option("--status", "is_status", is_flag=True, help="Report past runs; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--every", type=click.Choice(EVERY), help="Keep running, and run so often.")
@click.option("--at", default="03:30", show_default=True, metavar="HH:MM", help="With --every.")
@click.option("--timezone", default="UTC", show_default=True, help="Of --at: Europe/Berlin.")
@handle_errors
def retrain(is_status: bool, as_json: bool, every: Any, at: str, timezone: str) -> None:
    """Fetch again; if anything is new, train, compare with the champion, promote if better.

    With --every it is a scheduler, which Ctrl-C or SIGTERM ends.

    Exit codes: 0 nothing new, or promoted; 6 the gate kept the champion; 7 busy; otherwise the code
    of the stage that failed.
    """
    workspace, params = open_project()
    if is_status:
        _print_status(workspace, as_json)
        return
    if every is not None:
        from layerline.retraining.foreground import keep_retraining
        from layerline.retraining.scheduler_files import Times

        times, options = Times(every, at, timezone), ["--json"] if as_json else []
        keep_retraining(workspace, times, options, lambda text: click.echo(text, err=True))
    from layerline.retraining.retrain import retrain as run

    record = run(workspace, params, lambda text: click.echo(text, err=as_json))
    facts = dataclasses.asdict(record)
    if as_json:
        print_json(facts)
    else:
        click.echo(f"retrain: {facts['outcome']} in {facts['seconds']} s: {facts['message']}")
    sys.exit(record.exit_code)


def _print_status(workspace: Workspace, as_json: bool) -> None:
    from layerline.retraining.log import status

    facts = status(workspace)
    if as_json:
        print_json(facts)
        return
    if facts["last"] is None:
        click.echo("retrain: no run yet")
        return
    names = {"last": "last run", "last_good": "last good run", "last_promoted": "last promotion"}
    rows = [[title, *_cells(facts[name])] for name, title in names.items() if facts[name]]
    print_table(["", "started", "outcome", "seconds", "exit", "message"], rows)
    if facts["failures_in_a_row"]:
        click.echo(f"the last {plural(facts['failures_in_a_row'], 'run')} failed")


def _cells(record: dict[str, Any]) -> list[str]:
    names = ("started", "outcome", "seconds", "exit_code", "message")
    return [str(record[name]).partition("\n")[0] for name in names]
