"""A comparison as Markdown, JSON and PNG in a folder, and as an artifact of each compared run."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import replace_file, write_json, write_text
from layerline.runs.compare import Comparison
from layerline.runs.open_store import RequestError
from layerline.runs.shared_rows import Difference, Figure, SharedRows
from layerline.text import readable

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAMES = ("comparison.md", "comparison.png", "comparison.json")
Table = tuple[list[str], list[list[str]]]


def write_comparison(folder: Path, comparison: Comparison) -> list[Path]:
    """Write comparison.md, .png and .json into a folder, over an earlier comparison.

    Raises:
        RequestError: the folder cannot be made or written.
    """
    from layerline.runs.curves_plot import draw_curves

    text, picture, data = (folder / name for name in NAMES)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(picture) as temporary:
            draw_curves(temporary, comparison)
        write_json(data, _finite(comparison.to_json()))
        write_text(text, to_markdown(comparison))
    except OSError as error:
        raise RequestError(f"--output {folder}: cannot be written ({error.strerror})") from None
    return [text, picture, data]


def log_comparison(client: "MlflowClient", comparison: Comparison, files: Sequence[Path]) -> str:
    """Hang the files on each compared run; return the folder they are in there."""
    for run in comparison.runs:
        for file in files:
            client.log_artifact(run.run_id, str(file), comparison.folder)
    return comparison.folder


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_markdown(comparison: Comparison) -> str:
    """The whole comparison as a page."""
    return "\n".join(_page(comparison)) + "\n"


def _page(comparison: Comparison) -> Iterator[str]:
    yield "# Comparison of runs"
    yield ""
    yield from _lines(runs_table(comparison))
    if comparison.notes:
        yield from ("", *(f"- {note}" for note in comparison.notes))
    yield from _section("Params that differ", params_table(comparison), "All params are the same.")
    yield from _section("Data, code and commits that differ", origins_table(comparison), "None.")
    if comparison.shared is not None:
        title = "On the test rows they share"
        yield from _section(title, shared_table(comparison), "They share no test row.")
        yield from ("", *shared_words(comparison))
    yield from _section(
        "Metrics, each on its own rows", metrics_table(comparison), "None recorded."
    )
    yield from ("", "## Learning curves", "", "![learning curves](comparison.png)")


def _section(title: str, table: Table, otherwise: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if table[1]:
        yield from _lines(table)
    else:
        yield otherwise


def _lines(table: Table) -> Iterator[str]:
    headers, rows = table
    yield _row(headers)
    yield _row(["---"] * len(headers))
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    safe = (cell.replace("|", r"\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(safe)} |"


def runs_table(comparison: Comparison) -> Table:
    """One line a run."""
    rows = [
        [run.short, run.name, run.dvc_experiment, run.when, run.status, run.took]
        for run in comparison.runs
    ]
    return ["run", "name", "DVC experiment", "started", "status", "took"], rows


def params_table(comparison: Comparison) -> Table:
    """One line a param, one column a run."""
    return _by_run("param", comparison, comparison.params)


def origins_table(comparison: Comparison) -> Table:
    """One line for each commit, folder and file that differs; hashes by their first signs."""
    headers, rows = _by_run("what", comparison, comparison.origins)
    shown = [
        [name, *(value[:8] if len(value) >= 32 else value for value in values)]
        for name, *values in rows
    ]
    return headers, shown


def _by_run(what: str, comparison: Comparison, found: Any) -> Table:
    rows = [[name, *("–" if v is None else v for v in values)] for name, values in found.items()]
    return [what, *(run.short for run in comparison.runs)], rows


def metrics_table(comparison: Comparison) -> Table:
    """One line a figure, one column a run."""
    rows = [
        [name, *("–" if value is None else readable(value) for value in values)]
        for name, values in comparison.metrics.items()
    ]
    return ["metric", *(run.short for run in comparison.runs)], rows


def shared_table(comparison: Comparison) -> Table:
    """One line a metric and run: its value and interval, and the difference from the first."""
    shared = comparison.shared
    if shared is None:
        return [], []
    first = comparison.runs[comparison.paired[0]].short
    headers = ["metric", "run", "value", "interval", f"minus {first}", "interval", "so it is"]
    rows = []
    for name, figures in shared.figures.items():
        differences = shared.differences.get(name, (None,) * len(figures))
        for number, figure, difference in zip(comparison.paired, figures, differences, strict=True):
            run = comparison.runs[number].short
            rows.append([name, run, *_value(figure), *_difference(difference)])
    return headers, rows


def _value(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "–", ""
    if figure.lower is None or figure.upper is None:
        return readable(figure.value), ""
    return readable(figure.value), f"{readable(figure.lower)} to {readable(figure.upper)}"


def _difference(found: Difference | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    return f"{found.value:+.3g}", f"{found.lower:+.3g} to {found.upper:+.3g}", found.verdict


def shared_words(comparison: Comparison) -> Iterator[str]:
    """How many rows are shared, and how far the intervals may be trusted."""
    shared = comparison.shared
    if shared is None:
        return
    yield f"Test rows in common: {shared.n_rows:,} ({', '.join(_shares(comparison, shared))})."
    drawn = comparison.resampling
    yield (
        f"Intervals: {drawn.confidence:.0%} by {drawn.n_resamples:,} bootstrap resamples of the "
        "shared rows, differences in pairs. They show how far other rows might change the figures; "
        "another seed may change them too."
    )
    if len(comparison.paired) > 2:
        yield "Each interval stands alone: of many differences, some look real by chance."


def _shares(comparison: Comparison, shared: SharedRows) -> Iterator[str]:
    for number, n_rows in zip(comparison.paired, shared.n_test_rows, strict=True):
        n_alone = n_rows - shared.n_rows
        rest = f"{n_alone:,} of its {n_rows:,} are not shared" if n_alone else "all of its own"
        yield f"{comparison.runs[number].short}: {rest}"
