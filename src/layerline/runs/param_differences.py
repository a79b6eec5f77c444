"""Params that differ between runs, and their shortest clear names."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from layerline.artifacts import STAGES
from layerline.runs.run import Run

SPLITS = ("train", "valid", "test")
OVERALL = "overall"  # params of no one stage: project, seed, threads


class Change(NamedTuple):
    """One value, before and after; None where there was none."""

    name: str
    before: str | None
    after: str | None

    def shown_as(self, name: str, longest: int = 60) -> str:
        """In a few signs: "epochs 40→80", "+width 3", "−depth"."""
        before, after = (_cut(v, longest) for v in (self.before, self.after))
        if before is None:
            return f"+{name} {after}"
        return f"−{name}" if after is None else f"{name} {before}→{after}"


def _cut(value: str | None, longest: int) -> str | None:
    return value if value is None or len(value) <= longest else f"{value[: longest - 1]}…"


def stage_of(name: str) -> str:
    """The stage whose section of params.yaml a param is from."""
    section = name.partition(".")[0]
    return section if section in STAGES else OVERALL


def in_order(names: Iterable[str]) -> list[str]:
    """Names as params.yaml has them: what is overall, then stage by stage."""
    order = {stage: number for number, stage in enumerate((OVERALL, *STAGES))}
    return sorted(names, key=lambda name: (order[stage_of(name)], name))


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """What differs between two mappings, in the order of params.yaml."""
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in in_order(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def differing(runs: Sequence[Run]) -> dict[str, list[str | None]]:
    """Params that are not the same in all runs: name -> the value of each run."""
    names = in_order({name for run in runs for name in run.params})
    values = {name: [run.params.get(name) for run in runs] for name in names}
    return {name: found for name, found in values.items() if len(set(found)) > 1}


def short_names(names: Iterable[str]) -> dict[str, str]:
    """For each dotted name its shortest ending that no other name has, without `options`."""
    names = set(names)
    endings = {name: _endings(name) for name in names}
    counts = Counter(ending for found in endings.values() for ending in found)
    return {
        name: next((ending for ending in endings[name] if counts[ending] == 1), name)
        for name in sorted(names)
    }


def _endings(name: str) -> list[str]:
    """`a.options.b` -> b, a.b; the name of a split alone is ambiguous, and is left out."""
    parts = [part for part in name.split(".") if part != "options"] or [name]
    found = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
    return [ending for ending in found if ending not in SPLITS] or [name]
