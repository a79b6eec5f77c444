"""A training on several ranks: what one process gives, to rounding, also when a rank is killed."""

from pathlib import Path
from typing import Any

import pytest
import rank_work
import torch
from rank_work import AGAIN, CASES, KILLED
from safetensors.torch import load_file
from torch import Tensor
from torchrun import on_two_ranks

from layerline.config import (
    Component,
    DistributedSection,
    EarlyStoppingSection,
    RankPlace,
    TrainSection,
    TransferSection,
    read_rank_place,
)
from layerline.errors import ParamsError
from layerline.kernels.ranks import Ranks
from layerline.training.batching import BatchPlan
from layerline.training.epoch_records import Listener
from layerline.training.rank_group import (
    SILENCE,
    allowed_silence,
    require_rankable,
    require_rows_for_all,
)

CLOSE = {"bfloat16": 2e-2}  # three digits a product
# Adam takes full steps along gradients of nothing but rounding: the losses agree, not all weights.
LOSSES_ONLY = {"adamw", "bfloat16", "muon"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks leave, of which one was killed once."""
    return train_on_two(tmp_path_factory.mktemp("ranks"))


def train_on_two(folder: Path, **environment: str) -> Path:
    return on_two_ranks(rank_work.__file__, folder, restarts=12, **environment)


def of_ranks(trained: Path, name: str) -> dict[str, Tensor]:
    return load_file(trained / f"{name}.safetensors")


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_give_what_one_process_gives(trained: Path, name: str) -> None:
    alone = rank_work.start(name)
    alone.run(Listener())
    expected, found = rank_work.outcome(alone), of_ranks(trained, name)
    names = ["losses"] if name in LOSSES_ONLY else list(expected)
    for part in names:
        gap = (found[part].double() - expected[part].double()).abs().max()
        assert gap < CLOSE.get(name, 1e-5), part
    assert alone.session.step >= (100 if "epochs" in CASES[name] else 12)


def test_the_same_ranks_give_the_same_bytes(trained: Path) -> None:
    assert_equal(of_ranks(trained, AGAIN), of_ranks(trained, "hundred_steps"))


def test_a_killed_rank_is_started_again_and_the_bytes_are_the_same(trained: Path) -> None:
    first, *_ = (trained / "resumed").read_text().split()  # a machine may kill once more
    assert 50 < int(first) < 60  # within its seventh epoch of 8 steps
    assert_equal(of_ranks(trained, KILLED), of_ranks(trained, "hundred_steps"))


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    trained = train_on_two(tmp_path, KILLS="10")
    assert_equal(of_ranks(trained, KILLED), of_ranks(trained, AGAIN))


def assert_equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    assert not [name for name in one if not torch.equal(one[name], two[name])]


TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


def test_the_environment_names_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_rank_place() is None
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert read_rank_place() is None
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert read_rank_place() == RankPlace(1, 2, 0, 1)
    monkeypatch.delenv("RANK")
    with pytest.raises(ParamsError, match=r"environment: RANK: WORLD_SIZE=2 asks for several"):
        read_rank_place()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"transfer": TransferSection(source="x")}, "train.transfer"),
        ({"optimizer": Component(name="lbfgs")}, "train.optimizer"),
        ({"device": "mps"}, "train.device"),
        ({"early_stopping": EarlyStoppingSection(time_minutes=1.0)}, "time_minutes"),
        ({"distributed": DistributedSection(processes=3)}, "train.distributed.processes: is 3"),
        ({"batch_size": 1}, "train.batch_size: is 1, fewer rows than the 2 ranks"),
    ],
)
def test_what_several_ranks_do_not_do_is_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ParamsError, match=place):
        require_rankable(TrainSection(**changes), RankPlace(0, 2, 0, 2))


def test_ranks_that_train_whole_networks_need_no_rows_for_each() -> None:
    place = RankPlace(0, 2, 0, 2)
    with pytest.raises(ParamsError, match=r"train\.batch_size: is 1, fewer rows than the 2 ranks"):
        require_rankable(TrainSection(batch_size=1), place)
    require_rankable(TrainSection(batch_size=1, folds=3), place)


def test_how_long_a_rank_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert allowed_silence().total_seconds() == 600
    monkeypatch.setenv(SILENCE, "2.5")
    assert allowed_silence().total_seconds() == 2.5
    for wrong in ("soon", "0", "nan", "1e300"):
        monkeypatch.setenv(SILENCE, wrong)
        with pytest.raises(ParamsError, match=f"LAYERLINE_RANK_SECONDS: is '{wrong}'; give"):
            allowed_silence()


def test_a_batch_has_rows_for_every_rank() -> None:
    plan = BatchPlan(n_rows=10, batch_size=3)
    require_rows_for_all(plan, Ranks(0, 2))
    with pytest.raises(ParamsError, match="batches have 2 rows, fewer than the 3 ranks"):
        require_rows_for_all(plan, Ranks(0, 3))
