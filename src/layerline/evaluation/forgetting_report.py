"""Forgetting after a transfer: metrics on the source's rows, before and after."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from layerline.artifacts import FORGETTING, TRANSFER, read_json
from layerline.config import EvaluateSection
from layerline.errors import SourceError
from layerline.evaluation.bootstrap import Interval, interval
from layerline.rendering.report_blocks import Block, Heading, Paragraph, Table
from layerline.text import readable

BEFORE, AFTER = "source_before", "source_after"  # in reports/metrics.json, beside the splits


@dataclasses.dataclass(frozen=True)
class Change:
    """A metric on the same rows, of the source and of the new network.

    `worse_by`: increase of the mean row loss with its paired interval (for accuracy, the share of
    wrong rows; for rmse, the squared error). None without bootstrap.
    """

    before: float
    after: float
    worse_by: Interval | None


@dataclasses.dataclass(frozen=True)
class Forgetting:
    """`facts`: which rows and classes were compared, or the reason why none were."""

    facts: Mapping[str, Any]
    changes: Mapping[str, Change]

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """As reports/metrics.json holds the metrics of a split."""
        if not self.changes:
            return {}
        return {
            BEFORE: {name: change.before for name, change in self.changes.items()},
            AFTER: {name: change.after for name, change in self.changes.items()},
        }

    def to_json(self) -> dict[str, Any]:
        changes = {name: dataclasses.asdict(change) for name, change in self.changes.items()}
        return {**self.facts, "figures": changes}


def judge_forgetting(folder: Path, section: EvaluateSection, seed: int) -> Forgetting | None:
    """Metrics of the check that train made; None without one.

    Args:
        folder: models/network.
        section: evaluate, for the intervals.
        seed: of the resamples.

    Raises:
        SourceError: the row losses are missing or damaged.
    """
    if not (folder / TRANSFER).is_file():
        return None
    facts = read_json(folder / TRANSFER).get("forgetting")
    if facts is None or facts["reason"]:
        return None if facts is None else Forgetting(facts, {})
    try:
        losses = load_file(folder / FORGETTING)
    except (OSError, SafetensorError) as error:
        path = folder / FORGETTING
        raise SourceError(f"{path}: cannot be read ({error}); run `dvc repro -f train`") from None
    changes = {}
    for name, rows in sorted(losses.items()):
        before, after = (_figure(name, float(part.mean())) for part in rows)
        gap = np.asarray(rows[1] - rows[0], np.float64)
        worse_by = None
        if section.bootstrap:
            worse_by = interval(gap, section.bootstrap, section.confidence, seed)
        changes[name] = Change(before, after, worse_by)
    return Forgetting(facts, changes)


def _figure(name: str, mean_loss: float) -> float:
    if name == "accuracy":
        return 1 - mean_loss
    return mean_loss**0.5 if name == "rmse" else mean_loss


def forgetting_section(found: Forgetting | None) -> list[Block]:
    """The model card's section: what was compared, and with what result."""
    if found is None:
        return []
    heading, facts = Heading("Forgetting"), found.facts
    if not found.changes:
        return [heading, Paragraph(f"Not measured: {facts['reason']}.")]
    rows = []
    for name, change in found.changes.items():
        grew = change.worse_by
        shown = "–"
        if grew is not None:
            shown = f"{readable(grew.mean)} ({readable(grew.lower)} to {readable(grew.upper)})"
        rows.append([_LABELS[name], readable(change.before), readable(change.after), shown])
    header = ["metric", "source", "this network", "increase of the row loss"]
    return [heading, Paragraph(_describe(facts)), Table(header, rows)]


_LABELS = {"accuracy": "accuracy (loss: share wrong)", "rmse": "rmse (loss: squared)"} | {
    name: name for name in ("log_loss", "mae")
}


def _describe(facts: Mapping[str, Any]) -> str:
    kind = "test rows, which it was not trained on" if facts["is_test"] else "rows"
    text = (
        f"Both networks on {facts['n_rows']:,} of the source's {kind}. Each chooses among all its "
        "classes, without temperature or threshold."
    )
    if facts["classes_left_out"]:
        names = ", ".join(facts["classes_left_out"][:10])
        text += (
            f" {facts['n_left_out']:,} rows were left out: this network has no output for {names}."
        )
    if facts["columns_absent"]:
        names = ", ".join(facts["columns_absent"][:10])
        text += f" These rows have no column {names}; this network reads it as missing."
    return text
