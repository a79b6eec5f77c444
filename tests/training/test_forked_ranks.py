"""Members trained by forks of the process: its bytes, also when one of them is killed."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from member_work import setup
from transfers import params_of, table_preprocessor, write_here

from layerline.artifacts import Workspace
from layerline.config import Component, DistributedSection, EarlyStoppingSection, MembersSection
from layerline.errors import DataError, LayerlineError
from layerline.kernels.ranks import Ranks
from layerline.training import forked_ranks, ranked_members, snapshots
from layerline.training.train import train

N_CORES = 3
CHANGES: dict[str, Any] = {
    "schedule": Component(name="reduce_on_plateau"),  # no stack has rates of its own
    "members": MembersSection(count=4, keep="greedy"),
    "early_stopping": EarlyStoppingSection(patience_epochs=3),
    "epochs": 6,
}


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_ranks, "usable_cores", lambda: N_CORES)


@pytest.fixture(autouse=True)
def no_fork_is_left() -> Iterator[None]:
    """Children that other tests have started stay."""
    before = {child.pid for child in psutil.Process().children()}
    yield
    assert not {child.pid for child in psutil.Process().children()} - before


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return write_here(tmp_path, table_preprocessor(["age", "height"]))


def run(workspace: Workspace, *, may_fork: bool = True) -> tuple[dict[str, bytes], list[str]]:
    said: list[str] = []
    seen: list[int] = []
    params = params_of(None, **CHANGES)
    train(workspace, params, lambda r: seen.append(r.epoch), said.append, may_fork=may_fork)
    assert seen == list(range(seen[0], seen[-1] + 1))
    files = {file.name: file.read_bytes() for file in workspace.network.iterdir()}
    return files, [line for line in said if line.startswith("seed")]


def test_forks_give_the_bytes_of_one_process(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = run(workspace, may_fork=False)
    shares: list[int] = []
    forked = forked_ranks.forked_ranks

    def count(size: int, work: Any) -> Any:
        shares.append(size)
        return forked(size, work)

    monkeypatch.setattr("layerline.training.train.forked_ranks", count)
    assert run(workspace) == alone
    assert shares == [N_CORES]


def test_a_killed_fork_ends_the_training_and_the_next_run_resumes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = run(workspace, may_fork=False)
    monkeypatch.setattr(snapshots.Snapshots, "is_due", lambda self, *, within_epoch=False: True)
    usual = ranked_members.RankedMembers._record
    here = os.getpid()

    def die_in_third(self: Any, epoch: int) -> Any:
        if os.getpid() != here and epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, epoch)

    monkeypatch.setattr(ranked_members.RankedMembers, "_record", die_in_third)
    with pytest.raises(LayerlineError, match="trains some of the members is gone"):
        run(workspace)
    monkeypatch.setattr(ranked_members.RankedMembers, "_record", usual)
    said: list[str] = []
    train(workspace, params_of(None, **CHANGES), lambda r: None, said.append, may_fork=True)
    assert "train: resuming after epoch 2" in said
    files = {file.name: file.read_bytes() for file in workspace.network.iterdir()}
    assert files == alone[0]


def test_where_no_process_may_start_it_trains_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = run(workspace, may_fork=False)
    usual, left = os.fork, [1]

    def refuse() -> int:
        if not left:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        left.clear()
        return usual()

    monkeypatch.setattr(os, "fork", refuse)
    assert run(workspace) == alone


def test_what_a_fork_raises_is_raised_here_with_its_exit_code() -> None:
    def fail(ranks: Ranks) -> None:
        if ranks.rank == 2:
            raise DataError("row 7 is wrong")
        ranks.of_each(ranks.rank)

    with (
        pytest.raises(LayerlineError, match=r"^row 7 is wrong$") as raised,
        forked_ranks.forked_ranks(3, fail) as ranks,
    ):
        ranks.of_each(0)
    assert raised.value.exit_code == DataError.exit_code


def test_ranks_exchange_values_in_their_order() -> None:
    def work(ranks: Ranks) -> None:
        assert ranks.of_first(lambda: "never") == "first"
        every = ranks.of_each(ranks.rank * 10)
        assert ranks.to_first((ranks.rank, every)) == []

    with forked_ranks.forked_ranks(3, work) as ranks:
        assert ranks.of_first(lambda: "first") == "first"
        assert ranks.of_each(0) == [0, 10, 20]
        assert ranks.to_first("own") == ["own", (1, [0, 10, 20]), (2, [0, 10, 20])]


def test_forks_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from layerline.training.forked_ranks import forked_ranks\n"
        "with forked_ranks(2, lambda ranks: time.sleep(600)):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (fork,) = psutil.Process(parent.pid).children()
        parent.kill()
    ends = time.monotonic() + 60
    while fork.is_running() and fork.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {"distributed": DistributedSection(processes=1)},
        {"early_stopping": EarlyStoppingSection(time_minutes=5)},
        {"optimizer": Component(name="lbfgs")},
    ],
    ids=["asked", "budget", "all_rows"],
)
def test_some_trainings_stay_in_one_process(changes: dict[str, Any]) -> None:
    usual = setup("by_turns")
    assert forked_ranks.n_useful(usual, 2) == 2
    assert forked_ranks.n_useful(usual, 9) == N_CORES
    assert forked_ranks.n_useful(usual, 1) == 1
    section = dataclasses.replace(usual.section, **changes)
    assert forked_ranks.n_useful(dataclasses.replace(usual, section=section), 9) == 1
    assert forked_ranks.n_useful(dataclasses.replace(usual, threads=2), 9) == 1
