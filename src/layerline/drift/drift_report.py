"""What a drift check leaves: drift.json, and a page with a table and plots, in reports/drift."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layerline.artifacts import replace_file, write_json, write_text
from layerline.drift.drift_check import ColumnDrift, Drift, in_tenths
from layerline.drift.joint_test import JOINT, JointDrift
from layerline.drift.two_sample_tests import CLASSIFIER
from layerline.rendering.report_blocks import Block, Figures, Heading, Paragraph, Picture, Table
from layerline.rendering.templates import render_html
from layerline.text import readable

N_PLOTS = 12
N_TABLE = 200
N_BARS = 10
_HEIGHT = 3.2  # of a plot, in inches; 1.3 of them for its title and the names below it
HEADER = (
    "column",
    "",
    "test",
    "p (adjusted)",
    "effect",
    "PSI",
    "distance",
    "missing",
    "new values",
)


def write_drift(folder: Path, drift: Drift, title: str) -> list[Path]:
    """Write drift.json, drift.html and drift.png; replace an earlier check's."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page, picture = (folder / f"drift.{suffix}" for suffix in ("json", "html", "png"))
    with replace_file(picture) as temporary:
        draw_columns(temporary, ranked(drift)[:N_PLOTS])
    write_text(page, render_html("Drift", _blocks(drift, title, picture)))
    write_json(data, {"title": title, **drift.to_json()})
    return [data, page, picture]


def ranked(drift: Drift) -> list[ColumnDrift]:
    """The columns that drifted first, then by effect."""
    return sorted(drift.columns, key=lambda column: (not column.drifted, -column.effect))


def drift_table(drift: Drift, limit: int = N_TABLE) -> tuple[list[str], list[list[str]]]:
    """Header, a row for all columns together, and one for each."""
    return list(HEADER), [_joint(drift.joint), *map(_cells, ranked(drift)[:limit])]


def _joint(joint: JointDrift) -> list[str]:
    drifted = "drifted" if joint.drifted else ""
    if joint.skipped:
        return [JOINT, "", "skipped", *["–"] * 6]
    found = [CLASSIFIER, f"{joint.p_adjusted:.2g}", f"{joint.effect:.3f}"]
    return [JOINT, drifted, *found, *["–"] * 4]


def joint_text(joint: JointDrift) -> str:
    """What the classifier found, in a sentence."""
    if joint.skipped:
        return f"The joint distribution was not tested: {joint.skipped}."
    n_known, n_new = joint.n_rows
    text = (
        f"A classifier that learnt to tell {n_known // 2:,} training rows from {n_new // 2:,} new "
        f"ones ranks a new row above a training row in {joint.auc:.1%} of pairs that it has not "
        "seen (its AUC; 50 % is chance)"
    )
    return f"{text}, above all by {', '.join(joint.columns)}." if joint.columns else f"{text}."


def _cells(column: ColumnDrift) -> list[str]:
    facts = column.to_json()
    before, now = facts["missing"]
    distance, psi = facts.get("wasserstein"), facts["psi"]
    return [
        column.name if column.role == "column" else f"{column.name} ({column.role})",
        "drifted" if column.drifted else "",
        column.test,
        f"{column.p_adjusted:.2g}",
        f"{column.effect:.3f}",
        "–" if psi is None else f"{psi:.3f}",
        "–" if distance is None else readable(distance),
        f"{before:.1%} → {now:.1%}" if before or now else "none",
        str(facts.get("unseen", facts.get("outside"))),
    ]


def _blocks(drift: Drift, title: str, picture: Path) -> list[Block]:
    header, rows = drift_table(drift)
    n_drifted = sum(column.drifted for column in drift.columns)
    marked = range(0 if drift.joint.drifted else 1, 1 + n_drifted)
    boxes = [
        ("rows", f"{drift.n_rows:,}", "compared"),
        (
            "columns",
            f"{len(drift.columns):,}",
            "and the prediction and the target",
        ),
        ("drifted", f"{n_drifted:,}", "significant, and large enough to matter"),
    ]
    return [
        Heading(title, 1),
        Figures(boxes),
        Paragraph(
            "The effect is a share of rows: of a distribution, those that would have to move. The "
            "distance is Wasserstein's, in standard deviations of the training rows; new values "
            "are rows with a level that training did not have, or a number beyond its range. "
            "P-values are adjusted for all tests by Benjamini and Hochberg. Dates move by "
            "themselves: only their gaps are tested."
        ),
        Paragraph(joint_text(drift.joint)),
        Table(header, rows, marked=marked, n_text=3),
        Heading("The columns that changed most"),
        Picture(picture, picture.name, "Shares of the training rows and of the new rows"),
    ]


def draw_columns(path: Path, columns: Sequence[ColumnDrift]) -> None:
    """Bars of the shares of rows, before and now; of numbers in tenths of the training rows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_rows = max(-(-len(columns) // 3), 1)
    figure = Figure(figsize=(9.6, _HEIGHT * n_rows), dpi=110)
    edges = {"left": 0.05, "right": 0.99, "wspace": 0.2}  # matplotlib's own layout takes a second
    edges |= {"bottom": 1.0 / _HEIGHT / n_rows, "top": 1 - 0.3 / _HEIGHT / n_rows, "hspace": 0.68}
    places = figure.subplots(n_rows, 3, squeeze=False, gridspec_kw=edges).ravel()
    for axes, column in zip(places, columns, strict=False):
        _draw_column(axes, column)
    for axes in places[len(columns) :]:
        axes.set_axis_off()
    if columns:
        places[0].legend(fontsize=8)
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})


def _draw_column(axes: Any, column: ColumnDrift) -> None:
    *both, names = in_tenths(column.counts)
    places = np.arange(min(len(names), N_BARS))
    looks = ((-0.2, "#4c72b0", "training"), (0.2, "#dd8452", "new"))
    for counts, (shift, colour, label) in zip(both, looks, strict=True):
        shares = counts[: len(places)] / max(counts.sum(), 1)
        axes.bar(places + shift, shares, 0.4, color=colour, label=label)
    marks = [_plain(name)[:16] for name in names[: len(places)]]
    axes.set_xticks(places, marks, rotation=60, ha="right", rotation_mode="anchor", size=8)
    axes.tick_params("y", labelsize=8)
    axes.tick_params("x", length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    is_drifted = " (drifted)" if column.drifted else ""
    axes.set_title(f"{_plain(column.name)[:40]}{is_drifted}", size=10)


def _plain(text: str) -> str:
    """Text without mathematics: matplotlib would parse what is between two $."""
    return text.replace("$", r"\$")
