"""`layerline backtest`: what other policies of retraining would have given."""

import click

from layerline.cli.command import handle_errors, open_project
from layerline.cli.output import print_json, print_table


@click.command()
@click.option("--by", required=True, metavar="COLUMN", help="The column that orders the rows.")
@click.option(
    "--every",
    type=click.Choice(["day", "week", "month", "value"]),
    default="week",
    show_default=True,
    help="A period: of dates, or each value of any other column.",
)
@click.option(
    "--first",
    type=click.IntRange(min=1),
    help="How many periods the first model is trained on; default: a quarter of them.",
)
@click.option(
    "--policy",
    "policies",
    type=click.Choice(["never", "always", "drift", "weighted"]),
    multiple=True,
    help="When to train again; repeatable. Default: all.",
)
@click.option("--apply", "is_applied", is_flag=True, help="Write the best into params.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def backtest(
    by: str,
    every: str,
    first: int | None,
    policies: tuple[str, ...],
    is_applied: bool,
    as_json: bool,
) -> None:
    """Replay the past of data/validated, period by period, through policies of retraining.

    Writes reports/backtest/backtest.json and backtest.html. A run that was killed goes on where it
    stopped.
    """
    from layerline.projects.param_paths import write_values
    from layerline.retraining.backtest import POLICIES, replay, winner
    from layerline.retraining.backtest_report import backtest_table, write_backtest
    from layerline.retraining.past_periods import Past

    workspace, params = open_project()
    past = Past(workspace, params, by, every, lambda text: click.echo(text, err=True))  # type: ignore[arg-type]
    n_first = first or max(len(past.names) // 4, 1)
    found = replay(past, n_first, policies or tuple(POLICIES), params.retrain.drift)
    facts = [result.to_json(found[0]) for result in found]
    files = write_backtest(workspace.reports / "backtest", facts, f"Backtest by `{by}`")
    best = winner(facts)
    if is_applied and best is not None:
        (chosen,) = (result for result in found if result.policy == best)
        write_values(workspace.params, chosen.as_params())
    if as_json:
        print_json(facts)
        return
    print_table(*backtest_table(facts))
    verdict = f"{best} is best" if best else "none is surely better than never training again"
    applied = "; params.yaml has it" if is_applied and best else ""
    click.echo(f"{verdict}{applied}; {files[1]}")
