"""Every kind of fault, its promise, and its share of a suite. To add one: a function, a line."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from faults.bench import Bench, Injected
from faults.damaged_files import damage_journal, damage_made, damage_owned
from faults.kills import (
    kill_command,
    kill_follower,
    kill_repro,
    kill_stage,
    rivals,
    stop_and_resume,
)
from faults.longer_runs import N_SERVED, disturb_server, kill_retraining, kill_study
from faults.postgres_restarts import N_RESTARTS, restart_postgres
from faults.surroundings import (
    another_user,
    bad_disk,
    clock_set_back,
    odd_environment,
    odd_path,
    short_of,
    wrong_tracker,
)


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    `inject` raises where a promise is broken. A copy of the bench gets `per_copy` injections; some
    damage is undone before the next, the last stays, and one `dvc repro` must recover from it.

    Attributes:
        share: of a thousand faults.
        n_faults: in one injection.
    """

    inject: Callable[[Bench, Random], Injected]
    promise: str
    share: int
    per_copy: int = 1
    n_faults: int = 1


CATALOGUE: dict[str, Kind] = {
    "damaged results": Kind(
        damage_made, "noticed, with one message; one dvc repro makes them again", 300, 15
    ),
    "damaged files of the user or registry": Kind(
        damage_owned, "noticed, with one message; put back, all is as before", 210, 15
    ),
    "damaged journals": Kind(
        damage_journal, "reported; the rest arrives; nothing waits", 60, per_copy=10
    ),
    "kills of stages": Kind(
        kill_stage, "one dvc repro: the same bytes, one champion, each event once", 80, per_copy=10
    ),
    "kills of dvc repro": Kind(kill_repro, "the same", 20),
    "kills of commands": Kind(
        kill_command, "one champion; done again it is whole", 50, per_copy=10
    ),
    "kills and stops of followers": Kind(kill_follower, "each event arrives once", 15, per_copy=5),
    "stops of stages": Kind(stop_and_resume, "ends as if nothing had been", 30, per_copy=10),
    "two at once": Kind(rivals, "each ends well, or the other is busy", 40, per_copy=10),
    "wrong trackers": Kind(
        wrong_tracker, "training is the same; nothing is lost or doubled", 40, per_copy=10
    ),
    "short of files, sizes, memory": Kind(short_of, "a message; nothing good is lost", 50, 10),
    "full and read-only disks": Kind(bad_disk, "a message; earlier outputs stay", 40, per_copy=10),
    "another user": Kind(another_user, "a message; nothing is changed", 10, per_copy=10),
    "servers": Kind(
        disturb_server, "the same answers; refusals in 4xx; no store made", 30, n_faults=N_SERVED
    ),
    "kills of retrainings": Kind(kill_retraining, "one champion; the table put back, as before", 4),
    "kills of studies": Kind(kill_study, "done again it completes", 3),
    "restarts of PostgreSQL": Kind(
        restart_postgres, "each event is there once", 6, n_faults=N_RESTARTS
    ),
    "odd environments": Kind(odd_environment, "everything works", 9, per_copy=3),
    "odd paths": Kind(odd_path, "everything works", 2),
    "clocks": Kind(clock_set_back, "nothing waits for them; the same bytes", 6, per_copy=3),
}


@dataclass(frozen=True)
class Batch:
    """Faults of one kind, by their seeds, for one copy of the bench."""

    kind: str
    seeds: tuple[int, ...]


def plan(n_faults: int, seed: int) -> list[Batch]:
    """About `n_faults` faults by their shares, each with a seed; the same for the same seed.

    A kind whose share is less than one copy's has it by chance.
    """
    rng = Random(seed)
    whole = sum(kind.share for kind in CATALOGUE.values())
    batches = []
    for name, kind in CATALOGUE.items():
        due = n_faults * kind.share / whole / kind.n_faults
        n_injections = int(due) + (rng.random() < due % 1)
        for start in range(0, n_injections, kind.per_copy):
            n_here = min(kind.per_copy, n_injections - start)
            batches.append(Batch(name, tuple(rng.randrange(2**32) for _ in range(n_here))))
    rng.shuffle(batches)
    return batches
