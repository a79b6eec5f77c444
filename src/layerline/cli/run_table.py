"""The table of `layerline runs`: framed, stacked where the terminal is too narrow, or plain."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from layerline.cli.output import print_plain, terminal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from layerline.runs.list_runs import Listing, Row

_COLOURS = {"FINISHED": "green", "RUNNING": "cyan", "FAILED": "red", "KILLED": "red"}
_MOST_CHANGES = 6
# Columns that shrink when the table is too wide, in turn, down to this width. The model's 15
# hold "v4 not promoted" on one line.
_FOLDED = (("changed", 60), ("model", 15), ("changed", 25))
_BETWEEN = 2  # blanks between two columns


def print_listing(listing: "Listing", *, with_project: bool) -> None:
    """Print the runs; piped output is plain and complete and always has the same columns."""
    console = terminal()
    if console is None:
        headers = ["run", "name", "project", "DVC experiment", "started", "took", "status"]
        headers += [*listing.metrics, "model", "changed"]
        print_plain(headers, [_plain_cells(row, listing) for row in listing.rows])
        return
    named = [_named_cells(row, listing) for row in listing.rows]
    this_year = f"{datetime.now():%Y-}"
    if all(row["started"].startswith(this_year) for row in named):
        named = [row | {"started": row["started"].removeprefix(this_year)} for row in named]
    headers = [
        header
        for header in named[0]
        if any(row[header] for row in named) and (with_project or header != "project")
    ]
    widths = _widths(headers, named, console.width)
    if widths is not None:
        _print_wide(console, widths, named)
    else:
        for row in named:
            _print_stacked(console, headers, row)


def _plain_cells(row: "Row", listing: "Listing") -> list[str]:
    run = row.run
    start = [run.short, run.name, run.project, run.dvc_experiment, run.when, run.took, row.status]
    return [*start, *_figures(row, listing).values(), row.model, row.changed(listing.names)]


def _named_cells(row: "Row", listing: "Listing") -> dict[str, str]:
    """What a terminal shows, by column: shortened where nothing is lost."""
    run, experiment = row.run, row.run.dvc_experiment
    same = "exp" if experiment == run.name else f"exp {experiment}"
    return {
        "run": run.short,
        "name": f"{run.name} ({same})" if experiment else run.name,
        "project": run.project,
        "started": run.when,
        "took": run.took,
        "status": row.status,
        **_figures(row, listing),
        "model": row.model,
        "changed": row.changed(listing.names, _MOST_CHANGES),
    }


def _figures(row: "Row", listing: "Listing") -> dict[str, str]:
    return {name: _number(row.metrics.get(name)) for name in listing.metrics}


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.6g}"


def _widths(
    headers: Sequence[str], rows: Sequence[dict[str, str]], room: int
) -> dict[str, int] | None:
    """The width of each column; None where the table does not fit."""
    widths = {header: max(len(header), *(len(row[header]) for row in rows)) for header in headers}
    room -= _BETWEEN * (len(widths) - 1)
    for header, least in _FOLDED:
        too_much = sum(widths.values()) - room
        if header in widths and too_much > 0:
            widths[header] = max(min(least, widths[header]), widths[header] - too_much)
    return widths if sum(widths.values()) <= room else None


def _packed(changed: str, width: int) -> str:
    """Lines of whole changes: none is broken between its name and its values, if it fits."""
    lines = [""]
    for change in changed.split(", "):
        longer = f"{lines[-1]}, {change}" if lines[-1] else change
        if len(longer) < width or not lines[-1]:  # one character is kept for the comma
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(change)
    return "\n".join(lines)


def _print_wide(console: "Console", widths: dict[str, int], rows: Sequence[dict[str, str]]) -> None:
    from rich import box
    from rich.table import Table

    # The box itself puts one blank between two columns.
    padding = (0, _BETWEEN - 1, 0, 0)
    table = Table(box=box.SIMPLE_HEAD, padding=padding, show_edge=False, pad_edge=False)
    for header, width in widths.items():
        is_number = header == "took" or _is_figure(header)
        table.add_column(header, justify="right" if is_number else "left", width=width)
    for row in rows:
        packed = row | {"changed": _packed(row["changed"], widths["changed"])}
        table.add_row(*(_styled(header, packed[header]) for header in widths))
    console.print(table)


def _print_stacked(console: "Console", headers: Sequence[str], row: dict[str, str]) -> None:
    """One run in a few lines."""
    from rich.padding import Padding
    from rich.text import Text

    first = [_styled(header, row[header]) for header in ("run", "name", "status", "model")]
    console.print(Text("  ").join(part for part in first if part))
    second = [row["project"] if "project" in headers else "", row["started"], row["took"]]
    second += [f"{name} {row[name]}" for name in headers if _is_figure(name) and row[name]]
    console.print(Padding(Text(" · ".join(filter(None, second))), (0, 0, 0, 2)))
    console.print(Padding(Text(f"changed: {row['changed']}", style="dim"), (0, 0, 0, 2)))


def _is_figure(header: str) -> bool:
    from layerline.runs.list_runs import MAIN_METRICS

    return header in MAIN_METRICS


def _styled(header: str, cell: str) -> "Text":
    from rich.text import Text

    if header == "status":
        # A training that finished and an evaluation that failed are not all green.
        is_mixed = cell.startswith("FINISHED,")
        return Text(cell, style="yellow" if is_mixed else _COLOURS.get(cell.split(",")[0], ""))
    return Text(cell, style="bold" if header == "run" or "@" in cell else "")
