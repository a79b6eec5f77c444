"""What a backtest leaves in reports/backtest: backtest.json, a page with a table and a plot."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from layerline.artifacts import replace_file, write_json, write_text
from layerline.rendering.plot_colours import COLOURS, STROKES
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Picture, Table
from layerline.rendering.templates import render_html
from layerline.text import plural, readable

Policies = Sequence[Mapping[str, Any]]


def write_backtest(folder: Path, policies: Policies, title: str) -> list[Path]:
    """Write backtest.json, backtest.html and backtest.png; replace an earlier one's."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page, picture = (folder / f"backtest.{suffix}" for suffix in ("json", "html", "png"))
    with replace_file(picture) as temporary:
        _draw(temporary, policies)
    write_text(page, render_html("Backtest", _blocks(policies, title, picture)))
    write_json(data, list(policies))
    return [data, page, picture]


def backtest_table(policies: Policies) -> tuple[list[str], list[list[str]]]:
    """Header, and a row for each policy."""
    header = ["policy", f"live {policies[0]['metric']}", "gain over never", "trainings", "seconds"]
    return header, [_cells(policy) for policy in policies]


def _cells(policy: Mapping[str, Any]) -> list[str]:
    gain = f"{policy['gain']:+.3g} ({policy['gain_lower']:+.3g} to {policy['gain_upper']:+.3g})"
    return [
        policy["policy"],
        readable(policy["live_score"]),
        "–" if policy["policy"] == "never" else gain,
        str(policy["trainings"]),
        f"{policy['seconds']:.1f}",
    ]


def _blocks(policies: Policies, title: str, picture: Path) -> list[Block]:
    header, rows = backtest_table(policies)
    return [
        Heading(title, 1),
        Paragraph(
            f"{policies[0]['n_rows']:,} rows of {len(policies[0]['periods'])} periods, each "
            "predicted by the model that the policy had before it saw them. The gain is how much "
            "lower the mean loss of a row is (for rmse: the squared error), with its 95 % "
            "interval. A new model served at once: the gate is not replayed."
        ),
        Table(header, rows),
        Picture(picture, picture.name, "Live score by period"),
    ]


def _draw(path: Path, policies: Policies) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.8), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    names = [period["period"] for period in policies[0]["periods"]]
    for policy, colour, stroke in zip(policies, cycle(COLOURS), cycle(STROKES), strict=False):
        scores = [period["score"] for period in policy["periods"]]
        label = f"{policy['policy']} ({plural(policy['trainings'], 'training')})"
        axes.plot(
            range(len(scores)), scores, label=label, color=colour, linestyle=stroke, marker="."
        )
    step = max(len(names) // 12, 1)
    marks = [name.replace("$", r"\$") for name in names[::step]]
    axes.set_xticks(range(0, len(names), step), marks, rotation=45, ha="right", size=8)
    axes.set(ylabel=policies[0]["metric"], xlabel="period")
    axes.legend()
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})
