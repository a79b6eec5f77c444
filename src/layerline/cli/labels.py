"""`layerline labels`: true values joined to what was served."""

from pathlib import Path
from typing import Any

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_table
from layerline.text import readable


@click.command()
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="The server's request log; default: retrain.live.log of params.yaml.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def labels(source: Path, log: Path | None, as_json: bool) -> None:
    """Join the true values in FILE to the predictions that were served, by their id.

    Run it as often as labels arrive: of an id that comes again the last value counts. Writes the
    live score, by version and by day, into reports/live.json, and of a challenger that was scored
    beside the champion what `layerline shadow` reports.
    """
    from layerline.retraining.live_score import score_labels
    from layerline.retraining.shadow_verdict import has_shadow, look_at_shadow, verdict_line

    workspace, params = open_project()
    found = score_labels(workspace, params, source, log)
    shadow = look_at_shadow(workspace, params) if has_shadow(workspace) else None
    if as_json:
        print_json(found)
        return
    rows = [[f"version {name}", *_cells(facts)] for name, facts in found["versions"].items()]
    rows += [[day["day"], *_cells(day)] for day in found["days"]]
    print_table(["", "rows", found["metric"], "95 % interval", "test"], rows)
    if shadow is not None and shadow["n_rows"]:
        click.echo(f"shadow: {verdict_line(shadow)}")
    for key, what in (
        ("n_without_prediction", "no prediction with its id was logged"),
        ("n_without_value", "no id, or no value that can be read"),
    ):
        if found[key]:
            click.echo(f"note: {found[key]:,} labels: {what}", err=True)


def _cells(facts: dict[str, Any]) -> list[str]:
    test = facts.get("test")
    interval = f"{readable(facts['lower'])} to {readable(facts['upper'])}"
    shown = "" if test is None else readable(test)
    return [f"{facts['n_rows']:,}", readable(facts["value"]), interval, shown]
