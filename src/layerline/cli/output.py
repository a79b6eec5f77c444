"""What commands print: tables (framed on a terminal, plain when piped), JSON, notes."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson

if TYPE_CHECKING:
    from rich.console import Console


def print_json(value: Any) -> None:
    """Print readable JSON on stdout; NaN becomes null."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    click.echo(orjson.dumps(value, default=str, option=options).decode())


def print_notes(notes: Iterable[str]) -> None:
    """Print notes for the user on stderr, which programs do not parse."""
    for note in notes:
        click.echo(f"note: {note}", err=True)


def terminal() -> "Console | None":
    """The terminal that stdout is; None when the output goes to a file or another program."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else None


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table; numbers right-aligned on a terminal, one line a row in a pipe."""
    console = terminal()
    if console is None:
        print_plain(headers, rows, title)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if title:
        console.print(Text(title, style="bold"))
    # The box itself puts a second blank between two columns.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for number, header in enumerate(headers):
        is_number = all(_is_number(row[number]) for row in rows)
        table.add_column(header, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


@contextlib.contextmanager
def training_progress(total: int, unit: str) -> Iterator[Callable[..., None]]:
    """A line for each training or trial that is done, and on a terminal a bar below; on stderr.

    The block calls what it is given with the line, and a text for the bar.
    """
    from tqdm import tqdm

    with tqdm(total=total, desc="study", unit=unit, disable=None, leave=False) as bar:

        def report(line: str, beside: str = "") -> None:
            if bar.disable:
                click.echo(f"study: {line}", err=True)
            else:
                bar.write(f"study: {line}", file=sys.stderr)
            bar.set_postfix_str(beside)
            bar.update()

        yield report


def _is_number(cell: str) -> bool:
    return cell in ("", "–") or cell.lstrip("+-").replace(".", "").replace("e-", "").isdigit()


def print_plain(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Aligned text, one line a row, nothing cut; an empty cell is a dash."""
    cells = [list(headers), *([cell.replace("\n", " ") or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if title:
        click.echo(title)
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
