"""Every kind of fault, its promise, and its share of a suite. To add one: a function, a line."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from faults.bench import Bench, Injected
from faults.damaged_files import damage_journal, damage_made, damage_owned
from faults.kills import kill_command, kill_repro, rivals, stop_and_resume
from faults.surroundings import clock_set_back, full_disk, odd_environment, short_of, wrong_tracker


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    `inject` raises where a promise is broken. A copy of the bench gets `per_copy` faults, each
    undone before the next one; the last stays, and one `dvc repro` must recover from it.
    """

    inject: Callable[[Bench, Random], Injected]
    promise: str
    share: int
    per_copy: int = 1


CATALOGUE: dict[str, Kind] = {
    "damaged results": Kind(
        damage_made, "noticed with one message; one dvc repro makes them again", 36, per_copy=4
    ),
    "damaged user's or registry's files": Kind(
        damage_owned, "one message; the champion stays; put back, all is as before", 27, per_copy=4
    ),
    "damaged journals": Kind(
        damage_journal, "reported; the rest arrives; nothing waits", 8, per_copy=3
    ),
    "kills of dvc repro": Kind(
        kill_repro, "one dvc repro: the same bytes, one champion, each event once", 8
    ),
    "kills of commands": Kind(kill_command, "one champion; done again it is whole", 3),
    "stopped and resumed": Kind(stop_and_resume, "ends as if nothing had been", 2),
    "two at once": Kind(rivals, "each ends well or is told that the other is busy", 3),
    "wrong trackers": Kind(wrong_tracker, "training is the same; nothing is lost or doubled", 4),
    "short of files, sizes, memory": Kind(
        short_of, "a message; earlier results stay", 4, per_copy=2
    ),
    "full disks": Kind(full_disk, "a message; earlier outputs stay", 2),
    "odd environments": Kind(odd_environment, "everything works", 2),
    "clocks": Kind(clock_set_back, "nothing hangs; the same bytes", 1),
}


@dataclass(frozen=True)
class Batch:
    """Faults of one kind, by their seeds, for one copy of the bench."""

    kind: str
    seeds: tuple[int, ...]


def plan(n_faults: int, seed: int) -> list[Batch]:
    """About `n_faults` faults by their shares, each with a seed; the same for the same seed."""
    rng = Random(seed)
    whole = sum(kind.share for kind in CATALOGUE.values())
    batches = []
    for name, kind in CATALOGUE.items():
        n_copies = max(1, round(n_faults * kind.share / whole / kind.per_copy))
        for _ in range(n_copies):
            seeds = tuple(rng.randrange(2**32) for _ in range(kind.per_copy))
            batches.append(Batch(name, seeds))
    rng.shuffle(batches)
    return batches
