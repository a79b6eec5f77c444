"""How often the test rows have been looked at: one small file for each model measured on them.

They are in `.layerline/looks/<rows>/` of the main checkout, experiments' as well, named after the
model: measuring the same model again, also after kill -9, is no further look. A file appears whole
or not at all, so processes need no lock. Looks of other checkouts that share a tracking store come
from there as such files, too: tracking/shared_looks.py.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from layerline.artifacts import Workspace, write_json

MANY = 20  # where the best of equally good models is expected 1.9 standard errors too high
_DIGITS = 16  # of a sha256, in names


@dataclasses.dataclass(frozen=True)
class Looks:
    """How many models were measured on the test rows; `rows` is a hash of their content."""

    count: int
    rows: str

    @property
    def sentence(self) -> str:
        """As the card has it.

        >>> Looks(7, "").sentence
        'These test rows have been looked at 7 times, each time with another model or decision.'
        """
        if self.count <= 1:
            return "These test rows have been looked at once."
        times = f"{self.count} times, each time with another model or decision"
        return f"These test rows have been looked at {times}."

    def warning(self, confidence: float) -> str:
        """What so many looks mean for a metric's interval; empty for few."""
        if self.count < MANY:
            return ""
        chance = 1 - (1 - (1 - confidence) / 2) ** self.count
        return (
            f"{self.sentence} The best of so many looks better than it is: if all were equally "
            f"good, one would be above its interval by luck with a chance of up to {chance:.0%}. "
            "Judge the final choice by rows that none of them was measured on: newer ones, or "
            "another split."
        )

    def to_json(self, confidence: float) -> dict[str, Any]:
        """As reports/evaluation.json holds it."""
        return {"count": self.count, "rows": self.rows, "warning": self.warning(confidence)}


NO_LOOKS = Looks(0, "")


def count_looks(workspace: Workspace) -> Looks:
    """The looks at the test rows of data/scaled so far."""
    rows = hash_test_rows(workspace)
    return Looks(len(look_names(workspace, rows)), rows)


def look_names(workspace: Workspace, rows: str) -> list[str]:
    """What the models are called that were measured on these test rows."""
    return [path.stem for path in (workspace.looks / rows).glob("*.json")]


def add_looks(workspace: Workspace, rows: str, names: Iterable[str]) -> None:
    """Count what other checkouts have measured on these test rows; once, as `note_look` does."""
    for name in set(names).difference(look_names(workspace, rows)):
        _write(workspace, rows, name, {"seen": "in the tracking store"})


def note_look(
    workspace: Workspace,
    elsewhere: Callable[[str], Iterable[str]] = lambda rows: (),
    /,
    **model: str,
) -> Looks:
    """Count a look at the test rows of data/scaled, unless this model has been counted.

    Args:
        workspace: the project.
        elsewhere: the looks at rows of this hash that others know of.
        model: what names the model, such as hashes of its weights and its decision.
    """
    name = hashlib.sha256("\n".join(f"{k}={model[k]}" for k in sorted(model)).encode()).hexdigest()
    rows = hash_test_rows(workspace)
    _write(workspace, rows, name[:_DIGITS], model)
    add_looks(workspace, rows, elsewhere(rows))
    return count_looks(workspace)


def _write(workspace: Workspace, rows: str, name: str, content: Mapping[str, str]) -> None:
    path = workspace.looks / rows / f"{name}.json"
    if not path.exists():
        write_json(path, {**content, "time": datetime.now(UTC).isoformat(timespec="seconds")})


def hash_test_rows(workspace: Workspace) -> str:
    """By the content of the rows, in whatever order they are and however they are scaled."""
    ids = np.load(workspace.scaled / "test_id.npy", allow_pickle=False)
    return hashlib.sha256(np.unique(ids).tobytes()).hexdigest()[:_DIGITS]
