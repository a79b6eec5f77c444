"""`layerline retrain`: one run of the whole pipeline, by cron or systemd."""

import dataclasses
import json
import sys
from typing import Any

import click

from layerline.artifacts import Workspace
from layerline.cli.command import explained, here
from layerline.cli.output import print_table


@click.command()
@click.option("--status", "asks_status", is_flag=True, help="Tell of the runs so far; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@explained
def retrain(asks_status: bool, as_json: bool) -> None:
    """Fetch again; where something is new, train, judge, and promote what is better.

    Exit codes: 0 nothing is new or promoted, 6 the gate was not passed, 7 busy; else those of the
    stage that failed.
    """
    workspace, params = here()
    if asks_status:
        _tell_status(workspace, as_json)
        return
    from layerline.retraining.retrain import retrain as run

    record = run(workspace, params, lambda text: click.echo(text, err=as_json))
    told = json.dumps(dataclasses.asdict(record)) if as_json else _line(dataclasses.asdict(record))
    click.echo(told)
    sys.exit(record.exit_code)


def _tell_status(workspace: Workspace, as_json: bool) -> None:
    from layerline.retraining.log import status

    facts = status(workspace)
    if as_json:
        click.echo(json.dumps(facts))
        return
    if facts["last"] is None:
        click.echo("retrain: no run yet")
        return
    names = {"last": "last run", "last_good": "last good run", "last_promoted": "last promotion"}
    rows = [[title, *_cells(facts[name])] for name, title in names.items() if facts[name]]
    print_table(["", "started", "outcome", "seconds", "exit", "message"], rows)
    if facts["failures_in_a_row"]:
        click.echo(f"{facts['failures_in_a_row']} runs in a row failed")


def _cells(record: dict[str, Any]) -> list[str]:
    names = ("started", "outcome", "seconds", "exit_code", "message")
    return [str(record[name]).partition("\n")[0] for name in names]


def _line(record: dict[str, Any]) -> str:
    return f"retrain: {record['outcome']} in {record['seconds']} s: {record['message']}"
