"""What train's forgetting check found, as figures: the source's rows, before and after."""

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
from layerline.evaluation.rendering import Block, Heading, Paragraph, Table
from layerline.text import readable

BEFORE, AFTER = "source_before", "source_after"  # in reports/metrics.json, beside the splits


@dataclasses.dataclass(frozen=True)
class Change:
    """A figure on the same rows, of the source and of the new network.

    `worse_by` is how much the mean row loss grew, with its paired interval: of accuracy the share
    of wrong rows, of rmse the squared error. None where no interval was asked for.
    """

    before: float
    after: float
    worse_by: Interval | None


@dataclasses.dataclass(frozen=True)
class Forgetting:
    """`facts` say which rows and classes were judged, or why none; then `changes` is empty."""

    facts: Mapping[str, Any]
    changes: Mapping[str, Change]

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Figures as reports/metrics.json holds those of a split."""
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
    """Figures of the check that train made; None where it made none.

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


def tell_forgetting(found: Forgetting | None) -> list[Block]:
    """The model card's section: what was compared, and what was not."""
    if found is None:
        return []
    heading, facts = Heading("What the source knew"), found.facts
    if not found.changes:
        return [heading, Paragraph(f"Not judged: {facts['reason']}.")]
    rows = []
    for name, change in found.changes.items():
        grew = change.worse_by
        shown = "–"
        if grew is not None:
            shown = f"{readable(grew.mean)} ({readable(grew.lower)} to {readable(grew.upper)})"
        rows.append([_SHOWN[name], readable(change.before), readable(change.after), shown])
    header = ["figure", "source", "this network", "a row's loss grew by"]
    return [heading, Paragraph(_what(facts)), Table(header, rows)]


_SHOWN = {"accuracy": "accuracy (loss: wrong)", "rmse": "rmse (loss: squared)"} | {
    name: name for name in ("log_loss", "mae")
}


def _what(facts: Mapping[str, Any]) -> str:
    kind = "test rows, which it did not learn from" if facts["is_test"] else "rows"
    text = (
        f"Both networks on {facts['n_rows']:,} of the source's {kind}; each chooses among all it "
        "can predict, without temperature or threshold."
    )
    if facts["classes_left_out"]:
        names = ", ".join(facts["classes_left_out"][:10])
        text += (
            f" Not judged are {facts['n_left_out']:,} rows: this network has no output for {names}."
        )
    if facts["columns_absent"]:
        names = ", ".join(facts["columns_absent"][:10])
        text += f" These rows lack {names}, which this network reads as gaps."
    return text
