"""Small trainings, alone or on the ranks that torchrun starts: `torchrun rank_work.py FOLDER`.

Each rank trains every case; rank 0 leaves its weights and losses in FOLDER.
"""

import contextlib
import dataclasses
import math
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from layerline.config import Component, EarlyStoppingSection, TrainSection, read_rank_place
from layerline.errors import LayerlineError
from layerline.kernels.ranks import ALONE, Ranks
from layerline.networks import build_network
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import Listener
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.rank_group import RankSnapshots, join
from layerline.training.snapshots import resume

TABLE, IMAGE = (6,), (1, 8, 8)
SGD = Component(name="sgd", options={"learning_rate": 0.05})
PLAIN = TrainSection(
    options={"hidden": [16, 8], "dropout": 0.3},
    optimizer=SGD,
    batch_size=17,  # 121 rows: batches of 16 and 15, so two ranks have 8 and 7 or 8
    epochs=4,
    device="cpu",
    precision="float32",
    early_stopping=EarlyStoppingSection(patience_epochs=99),
)
MIXUP = Component(name="mixup")
CASES: dict[str, dict[str, Any]] = {
    "hundred_steps": {"epochs": 13},
    "adamw": {"epochs": 13, "optimizer": Component(name="adamw")},
    "no_chain": {"options": {"hidden": [16, 8], "activation": "gelu", "dropout": 0.3}},
    "accumulate": {"accumulate": 3, "clip_norm": 0.5, "average": 0.9},
    "residual": {"options": {"hidden": [8, 8], "norm": "layer", "residual": True}},
    "weights": {"loss": Component(name="cross_entropy", options={"class_weights": "balanced"})},
    "focal": {"loss": Component(name="focal", options={"class_weights": [1.0, 2.0, 5.0]})},
    "muon": {"optimizer": Component(name="muon"), "schedule": Component(name="reduce_on_plateau")},
    "bfloat16": {"precision": "bfloat16"},
    "cnn": {"network": "cnn", "options": {"channels": [4, 6]}},
    "conv1x1": {"network": "conv1x1_mlp", "options": {"channels": [4], "hidden": [8]}},
    "rnn": {"network": "rnn", "options": {"hidden": 8}},
    "mixup": {"network": "cnn", "options": {"channels": [4]}, "augment": (MIXUP,)},
}
AGAIN, KILLED = "again", "killed"  # the first case once more, and with a rank that is killed
CUT, IS_CUT, LOST = "cut", "is-cut", "lost-"  # files: cut my host off; done; a rank is lost to me
SHAPES = {"cnn": IMAGE, "conv1x1_mlp": IMAGE, "rnn": IMAGE}


def rows(n_rows: int, seed: int, shape: tuple[int, ...]) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (n_rows,), generator=generator)
    x = torch.zeros(n_rows, math.prod(shape))
    x[:, :6] = torch.eye(3, 6)[y] + torch.randn(n_rows, 6, generator=generator)
    return Rows(x.view(-1, *shape), y)


def start(name: str, ranks: Ranks = ALONE) -> Training:
    section = dataclasses.replace(PLAIN, **CASES.get(name, CASES["hundred_steps"]))
    shape = SHAPES.get(section.network, TABLE)
    prepare_torch(0, 1)
    network = build_network(section.network, section.options, input_shape=shape, d_out=3)
    data = TrainingData.of(rows(121, 0, shape), rows(61, 1, shape), "multiclass")
    return Training([Member(network, 0)], data, section, None, ranks)


def outcome(training: Training) -> dict[str, Tensor]:
    """The weights, and the losses of each epoch."""
    member = training.members[0]
    losses = [[record.train_loss, record.valid_loss] for record in member.history]
    found = {
        name: item.detach().clone(memory_format=torch.contiguous_format)
        for name, item in member.network.state_dict().items()
    }
    return {**found, "losses": torch.tensor(losses, dtype=torch.float64)}


def killer(ranks: Ranks) -> Listener:
    """A rank dies in the middle of an epoch, as by kill -9, as often as KILLS says (once)."""
    start, kills = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ.get("KILLS", "1"))
    chance = random.Random(0)
    moments = sorted(chance.uniform(0, 13) for _ in range(kills)) if kills > 1 else [6.5]

    def look(done: float) -> None:
        if start < kills and ranks.rank == 1 - start % 2 and done > moments[start]:
            moments[start] = math.inf
            if kills == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            seconds = chance.uniform(0, 0.02)  # in a step, or a snapshot
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

    return Listener(on_share=look)


def cut(folder: Path, ranks: Ranks) -> Listener:
    """In the middle of an epoch, the last rank asks once, by a file, for its host to be cut off."""

    def look(done: float) -> None:
        if done > 6.5 and ranks.rank == ranks.size - 1 and not (folder / CUT).exists():
            (folder / CUT).touch()
            while not (folder / IS_CUT).exists():
                time.sleep(0.01)

    return Listener(on_share=look)


@contextlib.contextmanager
def noting_loss(folder: Path, ranks: Ranks) -> Iterator[None]:
    """Leave a file when this rank has lost another one."""
    try:
        yield
    except LayerlineError:
        (folder / f"{LOST}{ranks.rank}").touch()
        raise


def main(folder: Path) -> None:
    place = read_rank_place()
    assert place is not None
    ranks = join(place, torch.device("cpu"), "the same")
    is_short = "KILLS" in os.environ or "CUT" in os.environ
    names = (KILLED, AGAIN) if is_short else (KILLED, AGAIN, *CASES)
    for name in names:
        training = start(name, ranks)
        if name == KILLED:
            snapshots = RankSnapshots(folder / "snapshot", ranks)
            snapshots.every_seconds = snapshots.within_seconds = 0
            if resume(snapshots, training, print) and ranks.rank == 0:
                with (folder / "resumed").open("a") as file:
                    print(training.session.step, file=file)
            listener = cut(folder, ranks) if "CUT" in os.environ else killer(ranks)
            with noting_loss(folder, ranks):
                training.run(listener, snapshots)
        else:
            training.run(Listener())
        if ranks.rank == 0:
            save_file(outcome(training), folder / f"{name}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
