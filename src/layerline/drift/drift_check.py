"""Every column of new rows tested against the training rows; what is found, adjusted for all."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from layerline.drift.column_counts import ColumnCounts
from layerline.drift.joint_sample import JointSample
from layerline.drift.joint_test import JOINT, JointDrift, ToldApart, judge, tell_apart
from layerline.drift.new_rows import NewRows
from layerline.drift.two_sample_tests import (
    LEAST_EFFECT,
    Counts,
    Finding,
    adjust,
    chi_squared,
    kolmogorov_smirnov,
    missing,
    outside,
    pool_rare,
    population_stability,
    unseen,
)
from layerline.model.column_sketch import ColumnSketch
from layerline.text import listing, readable
from layerline.validation.profile import moments

PREDICTION = "prediction"
N_SHOWN_LEVELS = 5
_TENTHS = 10


@dataclasses.dataclass(frozen=True)
class ColumnDrift:
    """What was found in one column.

    Attributes:
        role: column, prediction or target.
        test: the one that says most; "none" where nothing could be tested.
        p_adjusted, effect: of that test; see `two_sample_tests`.
        counts: of the training rows and of the new ones.
    """

    name: str
    role: str
    drifted: bool
    test: str
    p_adjusted: float
    effect: float
    counts: ColumnCounts

    def to_json(self) -> dict[str, Any]:
        """As drift.json holds it."""
        counts, sketch = self.counts, self.counts.sketch
        before, now = in_tenths(counts)[:2] if sketch.points else counts.both()
        can_compare = bool(before.sum() and now.sum())
        if can_compare and not sketch.points:
            before, now = pool_rare(before, now)
        found = {
            "drifted": self.drifted,
            "test": self.test,
            "p_adjusted": self.p_adjusted,
            "effect": round(self.effect, 6),
            "role": self.role,
            "psi": round(population_stability(before, now), 6) if can_compare else None,
            "missing": [sketch.n_missing / max(sketch.n_rows, 1), self.missing_share],
            "unread": counts.n_unread,
        }
        if not sketch.points:
            levels = dict(list(counts.unseen().items())[:N_SHOWN_LEVELS])
            return found | {"unseen": counts.n_unseen, "unseen_levels": levels}
        distance, ends = counts.wasserstein(), [sketch.points[0], sketch.points[-1]]
        return found | {
            "wasserstein": None if distance is None else round(distance, 6),
            "outside": counts.n_below + counts.n_above,
            "range": moments(ends) if sketch.is_date else ends,
        }

    @property
    def missing_share(self) -> float:
        """Of the new rows."""
        return self.counts.n_missing / max(self.counts.n_rows, 1)


@dataclasses.dataclass(frozen=True)
class Drift:
    """What was found in each column, and in all together."""

    n_rows: int
    columns: tuple[ColumnDrift, ...]
    joint: JointDrift

    @property
    def drifted(self) -> list[str]:
        """The columns that did, the largest effect first; then JOINT, if it did."""
        found = [column for column in self.columns if column.drifted]
        names = [column.name for column in sorted(found, key=lambda column: -column.effect)]
        return [*names, *([JOINT] if self.joint.drifted else [])]

    def to_json(self) -> dict[str, Any]:
        """The content of drift.json."""
        columns = {column.name: column.to_json() for column in self.columns}
        joint = {"joint": self.joint.to_json()}
        return {"drifted": bool(self.drifted), "n_rows": self.n_rows, "columns": columns} | joint

    def line(self) -> str:
        """One line for people."""
        names = [name for name in self.drifted if name != JOINT]
        apart = f" by {listing(self.joint.columns, 3)}" if self.joint.columns else ""
        joint = f"{JOINT}: new rows can be told apart{apart}"
        if not names:
            n_columns = f"{len(self.columns)} columns of {self.n_rows:,} rows"
            return f"drift in {joint}" if self.joint.drifted else f"no drift in {n_columns}"
        columns = f"drift in {len(names)} of {len(self.columns)} columns: {listing(names, 3)}"
        return f"{columns}; and in {joint}" if self.joint.drifted else columns


def check_drift(
    rows: NewRows, known: JointSample | str, *, confidence: float, min_effect: float
) -> Drift:
    """Test every column, the predictions, the target where the rows have it, and all together.

    `known` are training rows, or why there are none.
    """
    counted = {name: ("column", counts) for name, counts in rows.columns.items()}
    if rows.target is not None and rows.reference.target_spec is not None:
        counted[rows.reference.target_spec.name] = ("target", rows.target)
    if rows.prediction is not None:
        counted.setdefault(PREDICTION, (PREDICTION, rows.prediction))
    told = known if isinstance(known, str) else tell_apart(known, rows.sample)
    return Drift(rows.n_rows, *compare(counted, told, confidence, min_effect))


def compare(
    counted: Mapping[str, tuple[str, ColumnCounts]],
    told: ToldApart | str,
    confidence: float,
    min_effect: float,
) -> tuple[tuple[ColumnDrift, ...], JointDrift]:
    """Judge columns, and what a classifier told apart, together.

    Args:
        counted: the role and the counts of each column.
        told: of all columns; or why there is no test of them.
        confidence: of rows without drift, this share of checks finds none in any column.
        min_effect: the smallest share of rows that matters, see LEAST_EFFECT.
    """
    tests = [findings(counts) for _, counts in counted.values()]
    tests.append([] if isinstance(told, str) else [told.finding])
    adjusted = iter(adjust([finding.p_value for found in tests for finding in found]).tolist())
    judged = [
        {
            (new := finding._replace(p_value=next(adjusted))): new.p_value <= 1 - confidence
            and new.effect >= min_effect * LEAST_EFFECT[new.test]
            for finding in found
        }
        for found in tests
    ]
    columns = (
        _column(name, role, counts, is_there)
        for (name, (role, counts)), is_there in zip(counted.items(), judged, strict=False)
    )
    return tuple(columns), judge(told, judged[-1])


def _column(
    name: str, role: str, counts: ColumnCounts, is_there: Mapping[Finding, bool]
) -> ColumnDrift:
    """The test that found drift comes first, then the one of the smallest p-value."""
    ranked = sorted(is_there, key=lambda found: (not is_there[found], found.p_value))
    first = ranked[0] if ranked else Finding("none", 1.0, 0.0)
    drifted = is_there.get(first, False)
    return ColumnDrift(name, role, drifted, first.test, first.p_value, first.effect, counts)


def findings(counts: ColumnCounts) -> list[Finding]:
    """The tests of one column. A date moves by itself: only its gaps are tested."""
    sketch, found = counts.sketch, []
    if (sketch.n_missing or counts.n_missing) and counts.n_rows and sketch.n_rows:
        gaps = [sketch.n_missing, sketch.n_present], [counts.n_missing, counts.n_present]
        found.append(missing(*gaps))
    if sketch.is_date or not sketch.n_present or not counts.n_present:
        return found
    if sketch.points:
        beyond = outside(sketch.n_present, counts.n_present, counts.n_below, counts.n_above)
        found += [kolmogorov_smirnov(*counts.both()), *([beyond] if beyond.effect else [])]
        return found
    found.append(chi_squared(*pool_rare(*counts.both())))
    if counts.n_unseen:
        n_once = min(sketch.n_once, sketch.n_present)
        found.append(unseen(sketch.n_present, n_once, counts.n_present, counts.n_unseen))
    return found


def in_tenths(counts: ColumnCounts) -> tuple[Counts, Counts, list[str]]:
    """The training rows and the new ones in at most ten bins or levels, with a name of each."""
    before, now = counts.both()
    if not counts.sketch.points:
        return before, now, [*counts.names(), "others"]
    bins = np.clip((np.cumsum(before) - 1) * _TENTHS // max(before.sum(), 1), 0, _TENTHS - 1)
    bins[0] = bins[1]  # below the range there are no training rows
    ends = shown_points(counts.sketch)
    last = {int(tenth): end for tenth, end in zip(bins, [ends[0], *ends, ""], strict=True)}
    names = [f"up to {end}" for end in last.values()]
    names[-1] = f"above {names[-2].removeprefix('up to ')}" if len(names) > 1 else "all"
    places = [list(last).index(int(tenth)) for tenth in bins]
    both = (np.bincount(places, part).astype(np.int64) for part in (before, now))
    return (*both, names)  # type: ignore[return-value]


def shown_points(sketch: ColumnSketch) -> list[str]:
    """The points as people write them; dates as dates."""
    if sketch.is_date:
        return [moment.partition("T")[0] for moment in moments(sketch.points)]
    return [readable(point) for point in sketch.points]
