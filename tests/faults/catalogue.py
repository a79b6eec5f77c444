"""Every kind of fault, its promise, and its share of a suite. To add one: a function, a line."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from faults.bench import Bench
from faults.damaged_files import damage_journal, damage_made, damage_owned
from faults.kills import kill_command, kill_repro, rivals, stop_and_resume
from faults.surroundings import clock_set_back, full_disk, odd_environment, short_of, wrong_tracker


@dataclass(frozen=True)
class Kind:
    """One kind of fault."""

    inject: Callable[[Bench, Random], str]  # raises where the promise is broken; names the fault
    promise: str
    share: int


CATALOGUE: dict[str, Kind] = {
    "damaged results": Kind(
        damage_made, "noticed with one message; one dvc repro makes them again", 26
    ),
    "damaged user's or registry's files": Kind(
        damage_owned, "one message; the champion stays; put back, all is as before", 22
    ),
    "damaged journals": Kind(damage_journal, "reported; the rest arrives; nothing waits", 8),
    "kills of dvc repro": Kind(
        kill_repro, "one dvc repro: the same bytes, one champion, each event once", 12
    ),
    "kills of commands": Kind(kill_command, "one champion; done again it is whole", 6),
    "stopped and resumed": Kind(stop_and_resume, "ends as if nothing had been", 3),
    "two at once": Kind(rivals, "each ends well or is told that the other is busy", 6),
    "wrong trackers": Kind(wrong_tracker, "training is the same; nothing is lost or doubled", 6),
    "short of files, sizes, memory": Kind(short_of, "a message; earlier results stay", 5),
    "full disks": Kind(full_disk, "a message; earlier outputs stay", 3),
    "odd environments": Kind(odd_environment, "everything works", 2),
    "clocks": Kind(clock_set_back, "nothing hangs; the same bytes", 1),
}


def plan(n_faults: int, seed: int) -> list[tuple[str, int]]:
    """`n_faults` kinds by their shares, each with a seed of its own; the same for the same seed."""
    rng = Random(seed)
    names = list(CATALOGUE)
    shares = [CATALOGUE[name].share for name in names]
    first = names if n_faults >= len(names) else []  # each kind at least once
    chosen = [*first, *rng.choices(names, shares, k=n_faults - len(first))]
    return [(name, rng.randrange(2**32)) for name in chosen]
