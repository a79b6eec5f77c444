"""A comparison as Markdown, HTML, PNG and JSON, and as an artifact of each compared run."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerline.artifacts import replace_file, write_json, write_text
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Picture, Points
from layerline.rendering.report_blocks import Table as TableBlock
from layerline.rendering.templates import render_html, render_markdown
from layerline.runs.compare import Comparison
from layerline.runs.open_store import RequestError
from layerline.runs.shared_rows import Difference, Figure, SharedRows
from layerline.text import readable

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAMES = ("comparison.md", "comparison.html", "comparison.png", "comparison.json")
Table = tuple[list[str], list[list[str]]]


def write_comparison(folder: Path, comparison: Comparison) -> list[Path]:
    """Write comparison.md, .html, .png and .json into a folder; replace an earlier comparison.

    Raises:
        RequestError: the folder cannot be created or written.
    """
    from layerline.runs.curves_plot import draw_curves

    text, page, picture, data = (folder / name for name in NAMES)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(picture) as temporary:
            draw_curves(temporary, comparison)
        write_json(data, _finite(comparison.to_json()))
        blocks = comparison_blocks(comparison, picture)
        write_text(text, render_markdown(blocks))
        write_text(page, render_html("Comparison of runs", blocks))
    except OSError as error:
        raise RequestError(f"--output {folder}: cannot be written ({error.strerror})") from None
    return [text, page, picture, data]


def log_comparison(client: "MlflowClient", comparison: Comparison, files: Sequence[Path]) -> str:
    """Log the files as artifacts of each compared run; return their artifact folder."""
    for run in comparison.runs:
        for file in files:
            client.log_artifact(run.run_id, str(file), comparison.folder)
    return comparison.folder


def _finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def comparison_blocks(comparison: Comparison, picture: Path) -> list[Block]:
    """The comparison as the blocks of a report."""
    blocks: list[Block] = [Heading("Comparison of runs", 1), _block(runs_table(comparison), 6)]
    if comparison.notes:
        blocks.append(Points(comparison.notes))
    blocks += _section("Params that differ", params_table(comparison), "All params are equal.", 9)
    title = "Data, code and commits that differ"
    blocks += _section(title, origins_table(comparison), "None.", 9)
    if comparison.shared is not None:
        title = "Metrics on shared test rows"
        blocks += _section(title, shared_table(comparison), "The runs share no test rows.", 2)
        blocks += [Paragraph(line) for line in shared_notes(comparison)]
    title = "Metrics, each on its own test rows"
    blocks += _section(title, metrics_table(comparison), "None recorded.", 1)
    caption = "Loss by epoch"
    return [*blocks, Heading("Learning curves"), Picture(picture, picture.name, caption)]


def _section(title: str, table: Table, otherwise: str, n_text: int) -> list[Block]:
    return [Heading(title), _block(table, n_text) if table[1] else Paragraph(otherwise)]


def _block(table: Table, n_text: int) -> Block:
    return TableBlock(*table, n_text=n_text)


def runs_table(comparison: Comparison) -> Table:
    """One row per run."""
    rows = [
        [run.short, run.name, run.dvc_experiment, run.when, run.status, run.took]
        for run in comparison.runs
    ]
    return ["run", "name", "DVC experiment", "started", "status", "took"], rows


def params_table(comparison: Comparison) -> Table:
    """One row per param, one column per run."""
    return _by_run("param", comparison, comparison.params)


def origins_table(comparison: Comparison) -> Table:
    """One row per commit, folder and file that differs; hashes shortened."""
    headers, rows = _by_run("item", comparison, comparison.origins)
    shown = [
        [name, *(value[:8] if len(value) >= 32 else value for value in values)]
        for name, *values in rows
    ]
    return headers, shown


def _by_run(what: str, comparison: Comparison, found: Any) -> Table:
    rows = [[name, *("–" if v is None else v for v in values)] for name, values in found.items()]
    return [what, *(run.short for run in comparison.runs)], rows


def metrics_table(comparison: Comparison) -> Table:
    """One row per metric, one column per run."""
    rows = [
        [name, *("–" if value is None else readable(value) for value in values)]
        for name, values in comparison.metrics.items()
    ]
    return ["metric", *(run.short for run in comparison.runs)], rows


def shared_table(comparison: Comparison) -> Table:
    """One row per metric and run: value, interval and difference from the first run."""
    shared = comparison.shared
    if shared is None:
        return [], []
    first = comparison.runs[comparison.paired[0]].short
    headers = ["metric", "run", "value", "interval", f"minus {first}", "interval", "verdict"]
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


def shared_notes(comparison: Comparison) -> Iterator[str]:
    """The number of shared rows, and what the intervals mean."""
    shared = comparison.shared
    if shared is None:
        return
    yield f"Test rows in common: {shared.n_rows:,} ({', '.join(_shares(comparison, shared))})."
    drawn = comparison.resampling
    yield (
        f"Intervals: {drawn.confidence:.0%} by {drawn.n_resamples:,} bootstrap resamples of the "
        "shared rows, differences in pairs. They cover the choice of test rows, not the choice of "
        "the seed."
    )
    if len(comparison.paired) > 2:
        yield "The intervals are not corrected for multiple comparisons."


def _shares(comparison: Comparison, shared: SharedRows) -> Iterator[str]:
    for number, n_rows in zip(comparison.paired, shared.n_test_rows, strict=True):
        n_alone = n_rows - shared.n_rows
        rest = f"{n_alone:,} of its {n_rows:,} are not shared" if n_alone else "all of its rows"
        yield f"{comparison.runs[number].short}: {rest}"
