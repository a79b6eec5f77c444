"""The process group of a training that runs on several ranks, and what does not run there."""

import datetime
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from layerline.config import RankPlace, TrainSection
from layerline.errors import ParamsError, Problem, SourceError
from layerline.kernels.ranks import ALONE, Ranks, together
from layerline.training.batching import BatchPlan
from layerline.training.optimizers import takes_all_rows
from layerline.training.snapshots import Snapshots

SILENCE = "LAYERLINE_RANK_SECONDS"  # names the variable; it changes no result, so no param
_USUAL_SILENCE = 600.0
_POLL_SECONDS = 0.02


def require_rankable(section: TrainSection, place: RankPlace | None) -> None:
    """Refuse, before any work, what several ranks do not do.

    Raises:
        ParamsError: with all of it.
    """
    asked, n_processes = section.distributed, 1 if place is None else place.size
    problems = []
    if asked != "auto" and asked.processes != n_processes:
        message = f"is {asked.processes}, and {n_processes} run; set train.distributed: auto"
        problems.append(Problem("train.distributed.processes", message))
    if n_processes > 1:
        problems += [
            Problem(f"train.{name}", f"{n_processes} processes cannot train so; {remedy}")
            for name, remedy in unrankable(section)
        ]
    if n_processes > section.batch_size and not section.has_members:
        message = f"is {section.batch_size}, fewer rows than the {n_processes} ranks; raise it"
        problems.append(Problem("train.batch_size", message))
    if problems:
        raise ParamsError(problems)


def unrankable(section: TrainSection) -> Iterator[tuple[str, str]]:
    """What is for one process: where it stands in train, and the remedy."""
    stopping = section.early_stopping
    if section.transfer is not None:
        yield "transfer", "start one process"
    if takes_all_rows(section):
        yield "optimizer", f"{section.optimizer.name} takes all rows at once; use adamw"
    if section.device == "mps":
        yield "device", "use cpu or cuda"
    if stopping is not None and stopping.time_minutes is not None:
        yield "early_stopping.time_minutes", "each has another clock; remove it"


def require_rows_for_all(plan: BatchPlan, ranks: Ranks) -> None:
    """Refuse batches that leave a rank without rows; they only grow.

    Raises:
        ParamsError: there are fewer rows than ranks.
    """
    least = plan.n_rows // plan.n_batches(1)
    if least < ranks.size:
        message = f"batches have {least} rows, fewer than the {ranks.size} ranks; raise it"
        raise ParamsError([Problem("train.batch_size", message)])


def take_device(section: TrainSection, place: RankPlace) -> None:
    """Let `cuda` mean this rank's own GPU.

    Raises:
        ParamsError: the machine has fewer GPUs than ranks.
    """
    if section.device == "cpu" or not torch.cuda.is_available():
        return
    if place.local_rank >= torch.cuda.device_count():
        message = (
            f"{place.local_size} ranks on {socket.gethostname()}, which has "
            f"{torch.cuda.device_count()} GPUs; start as many ranks, or set device: cpu"
        )
        raise ParamsError([Problem("train.device", message)])
    torch.cuda.set_device(place.local_rank)


def join(place: RankPlace, device: torch.device, identity: str) -> Ranks:
    """Meet the other ranks: gloo on CPUs, nccl on CUDA.

    Args:
        place: this process's.
        device: what it trains on.
        identity: a hash of all that decides bytes, the same on every rank.

    Raises:
        ParamsError: a rank has other data, params, code or versions.
    """
    if (
        place.local_size == place.size
    ):  # gloo would ask for the machine's name, which may be unknown
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    ranks, silence = Ranks(place.rank, place.size), allowed_silence()
    with together():
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=_fresh_store(place, silence),
            rank=place.rank,
            world_size=place.size,
            timeout=silence,
        )
    known = ranks.of_each((identity, socket.gethostname()))
    others = sorted({host for found, host in known if found != known[0][0]})
    if others:
        message = (
            f"rank 0 on {known[0][1]} and ranks on {', '.join(others)} have other data/scaled, "
            "params, code, versions or precision; give each host the same files, and set "
            "train.precision and threads"
        )
        raise ParamsError([Problem("train.distributed", message)])
    return ranks


def allowed_silence() -> datetime.timedelta:
    """How long ranks wait for one that does not answer, before all are started again.

    Raises:
        ParamsError: the variable is no number of seconds.
    """
    text = os.environ.get(SILENCE, "")
    try:
        seconds = float(text or _USUAL_SILENCE)
        if seconds >= 1:
            return datetime.timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        pass
    message = f"is {text!r}; give the seconds, 1 or more, after which a silent rank is given up"
    raise ParamsError([Problem(SILENCE, message)], "environment")


def _fresh_store(place: RankPlace, silence: datetime.timedelta) -> Store:
    """Where the ranks that run now find each other's addresses.

    torchrun keeps one store for all its restarts: in it are the addresses of ranks that were
    killed. So every rank asks rank 0, under a name that is used once, where the addresses are now.
    """
    store, *_ = next(rendezvous("env://", place.rank, place.size, timeout=silence))
    own = uuid.uuid4().hex
    if place.rank > 0:
        store.set(f"layerline/{place.rank}", own)
        token = store.get(f"layerline/answer/{own}").decode()
        store.set(f"layerline/{token}/{own}", "heard")
        return PrefixStore(token, store)
    waiting = list(range(1, place.size))
    ends = time.monotonic() + silence.total_seconds()
    while waiting:
        asked = {rank: store.get(f"layerline/{rank}").decode() for rank in waiting}
        for one in asked.values():  # perhaps of a rank that was killed, which will not hear it
            store.set(f"layerline/answer/{one}", own)
        time.sleep(_POLL_SECONDS)
        waiting = [r for r, one in asked.items() if not store.check([f"layerline/{own}/{one}"])]
        if time.monotonic() > ends:
            raise RuntimeError(f"ranks {waiting} have not arrived")
    return PrefixStore(own, store)


class RankSnapshots(Snapshots):
    """The snapshots of a training on several ranks: rank 0 has them, and all resume from them."""

    def __init__(self, folder: Path, ranks: Ranks) -> None:
        super().__init__(folder)
        self.ranks = ranks

    def is_due(self, *, within_epoch: bool = False) -> bool:
        return self.ranks.rank == 0 and super().is_due(within_epoch=within_epoch)

    def load(self) -> Any:
        state, damage = self.ranks.of_first(self._read)
        if damage is not None:
            raise SourceError(damage)
        return state

    def _read(self) -> tuple[Any, str | None]:
        try:
            return super().load(), None
        except SourceError as error:
            return None, str(error)

    def discard(self) -> None:
        if self.ranks.rank == 0:
            super().discard()


def open_snapshots(folder: Path, ranks: Ranks) -> Snapshots:
    """The snapshots in `folder`."""
    return Snapshots(folder) if ranks == ALONE else RankSnapshots(folder, ranks)


def rank_facts(ranks: Ranks) -> Mapping[str, int]:
    """What several ranks add to what decides a training's bytes."""
    return {} if ranks == ALONE else {"ranks": ranks.size}
