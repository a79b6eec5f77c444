"""Members divided among ranks: the bytes of one process, also when a rank is killed."""

from pathlib import Path

import member_work
import pytest
import torch
from member_work import CASES, FAILED, KILLED
from safetensors.torch import load_file
from torch import Tensor
from torchrun import on_two_ranks

from layerline.errors import DivergedError
from layerline.training.ranked_members import divide


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks leave, of which one was killed in the first case."""
    folder = tmp_path_factory.mktemp("ranks")
    return on_two_ranks(member_work.__file__, folder, restarts=3)


def assert_equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    assert not [name for name in one if not torch.equal(one[name], two[name])]


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_give_the_bytes_of_one_process(trained: Path, tmp_path: Path, name: str) -> None:
    _, kept, reports = member_work.train(name, tmp_path)
    assert_equal(load_file(trained / f"{name}.safetensors"), member_work.outcome(kept))
    found = (trained / f"{name}.txt").read_text().splitlines()
    assert [line for line in found if line.startswith("seed")] == [
        line for line in reports if line.startswith("seed")
    ]


def test_each_rank_trains_its_share(trained: Path) -> None:
    shares = [(trained / f"by_turns-{rank}.numbers").read_text() for rank in (0, 1)]
    assert shares == ["[0, 2]", "[1]"]
    stacks = [(trained / f"one_stack-{rank}.numbers").read_text() for rank in (0, 1)]
    assert stacks == ["[0, 1, 2]", "[]"]
    report = (trained / "one_stack.txt").read_text()
    assert "note: 1 of 2 ranks have no member to train: what trains as one stack stays" in report


def test_a_killed_rank_is_started_again_and_the_bytes_are_the_same(trained: Path) -> None:
    assert (trained / "was-killed").exists()
    assert "resuming after epoch" in (trained / f"{KILLED}.txt").read_text()
    killed, whole = (load_file(trained / f"{name}.safetensors") for name in (KILLED, "by_turns"))
    assert_equal(killed, whole)


def test_a_member_that_diverges_on_another_rank_is_reported(trained: Path, tmp_path: Path) -> None:
    members, _, reports = member_work.train("one_diverges", tmp_path)
    left_out = sorted(line for line in reports if "is left out" in line)
    assert left_out
    found = (trained / "one_diverges.txt").read_text().splitlines()
    assert sorted(line for line in found if "is left out" in line) == left_out
    assert set(members.members) | {int(line.split()[2]) - 5 for line in left_out} == {0, 1, 2, 3}


def test_where_all_diverge_every_rank_says_so(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="epoch 1"):
        member_work.train(FAILED, tmp_path)
    for rank in (0, 1):
        assert "epoch 1" in (trained / f"{FAILED}-{rank}.txt").read_text()


def test_stacks_stay_whole_and_ranks_are_filled_evenly() -> None:
    groups = [(0, 1, 2), (3,), (4,), (5,)]
    assert divide(groups, 1) == [sorted(groups)]
    assert divide(groups, 2) == [[(0, 1, 2)], [(3,), (4,), (5,)]]
    assert divide(groups, 5) == [[(0, 1, 2)], [(3,)], [(4,)], [(5,)], []]
