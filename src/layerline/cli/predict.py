"""`layerline predict`: a registered model predicts a file."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerline.artifacts import find_workspace
from layerline.artifacts.temporary import temporary_folder
from layerline.cli.command import handle_errors
from layerline.config import load_params
from layerline.text import plural

if TYPE_CHECKING:
    from layerline.model.predict_file import PredictReport


@click.command()
@click.argument("input_file", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("output_file", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option("--model", help="A model URI; default: models:/<project>@<alias> of params.yaml.")
@click.option(
    "--keep",
    metavar="COLUMN",
    multiple=True,
    help="Copy only this column of INPUT to OUTPUT, such as an id; repeatable. Default: all.",
)
@click.option(
    "--on-bad-rows",
    type=click.Choice(["fail", "skip"]),
    help="skip: rows that violate the schema go to OUTPUT.refused.csv, with the reason. Default: "
    "as validate.on_bad_rows in params.yaml, where quarantine is skip.",
)
@click.option(
    "--any-value",
    is_flag=True,
    help="Also predict rows outside the schema's limits and levels; missing values are imputed.",
)
@click.option("--resume", is_flag=True, help="Continue a run that was killed.")
@click.option("--separator", help="Field separator of a CSV; default: that of the training data.")
@click.option("--encoding", help="Character encoding of a CSV; default: that of the training data.")
@click.option(
    "--missing",
    metavar="WORD",
    multiple=True,
    help="Marks a missing value in a CSV; repeatable. Default: as in the training data.",
)
@handle_errors
def predict(
    input_file: Path, output_file: Path, model: str | None, keep: tuple[str, ...], **options: Any
) -> None:
    """Predict every row of INPUT (CSV, Excel, Parquet, Arrow, JSON; images as .npy) into OUTPUT.

    OUTPUT is a CSV, TSV or Parquet file, or - for CSV on stdout.
    """
    from layerline.model.predict_file import PredictOptions
    from layerline.process import keep_freed_memory
    from layerline.registry.predict import default_uri, predict_file

    workspace = find_workspace()
    params = load_params(workspace.params) if workspace.params.exists() else None
    if options["on_bad_rows"] is None:
        sets_aside = params is not None and params.validate.on_bad_rows == "quarantine"
        options["on_bad_rows"] = "skip" if sets_aside else "fail"
    dialect = {name: options.pop(name) for name in ("separator", "encoding", "missing")}
    chosen = PredictOptions(
        keep=keep or None,
        dialect={name: value for name, value in dialect.items() if value},
        **options,
    )
    uri = model or default_uri(params or load_params(workspace.params))
    keep_freed_memory()
    if str(output_file) != "-":
        report = predict_file(uri, input_file, output_file, workspace.home, chosen)
        _print_report(report, f"by {uri} into {output_file}", is_error=False)
        return
    with temporary_folder() as folder:
        report = predict_file(uri, input_file, folder / "stdout.csv", workspace.home, chosen)
        with report.output.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
        _print_report(report, f"by {uri}", is_error=True)
        if report.refused is not None:
            click.echo(report.refused.read_text(encoding="utf-8"), err=True, nl=False)


def _print_report(report: "PredictReport", how: str, *, is_error: bool) -> None:
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    lines = [f"{plural(report.n_rows, 'row')} predicted {how}"]
    if report.n_refused:
        reasons = "" if is_error else f"; see {report.refused} for the reasons"
        lines.append(f"{plural(report.n_refused, 'row')} refused{reasons}")
    for line in [*lines, *report.tally.lines()]:
        click.echo(line, err=is_error)
