"""What a training costs beside its steps, and what threads, members and torch.compile change."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import training_peers as peers
from torch import Tensor, nn
from training_turns import (
    HIDDEN,
    PLAIN,
    Setting,
    ratio,
    section,
    show,
    start,
    take_turns,
    time_steps,
)

from layerline.config import MembersSection
from layerline.networks import build_network
from layerline.training.dataset import TrainingData
from layerline.training.device import choose_threads, prepare_torch
from layerline.training.epoch_records import EpochRecord, Listener
from layerline.training.fit import fit
from layerline.training.loop import Training
from layerline.training.member import Member


def overhead(setting: Setting) -> None:
    """What of an epoch is neither a step nor the network's pass over the validation rows."""
    shares, spent = [], 0.0
    training = start(setting, section(256, setting.rounds + 1))
    predict = training.session.predict

    def timed(x: Tensor) -> Tensor:
        nonlocal spent
        started = setting.clock()
        outputs = predict(x)
        spent += setting.clock() - started
        return outputs

    in_steps, started = time_steps(setting, training), setting.clock()

    def turn(record: EpochRecord) -> None:
        nonlocal started, spent
        whole = setting.clock() - started
        shares.append((whole - in_steps() - spent) / whole)
        started, spent = setting.clock(), 0.0

    training.session.predict = timed  # type: ignore[method-assign]
    training.run(Listener(on_epoch=turn))
    figure = statistics.median(shares[1:])
    print(f"| share of an epoch outside steps and validation | | | {figure:.4f} | ≤ 0.02 |")


def threads(setting: Setting) -> None:
    """Two threads beside one, in processes that take turns; and what `threads: auto` chooses."""
    for batch_size in (256, 1024):
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(setting.rounds):
            for number, found in seconds.items():
                command = [
                    sys.executable,
                    str(Path(__file__).with_name("training.py")),
                    "epoch",
                    "--threads",
                    str(number),
                ]
                command += ["--rows", str(len(setting.images.train_y)), "--batch", str(batch_size)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                found.append(float(done.stdout))
        what = f"an epoch at batch {batch_size} with two threads and with one"
        two, one = (statistics.median(seconds[number]) for number in (2, 1))
        show(what, two, one, ratio(seconds[2], seconds[1]), "≥ 1.6")
    for hidden, shape, batch in ((HIDDEN, (784,), 256), ((100,), (64,), 64)):
        network = build_network("mlp", {"hidden": list(hidden)}, input_shape=shape, d_out=10)
        chosen = choose_threads("auto", network, shape, batch)
        print(f"| `threads: auto` for {shape[0]}-{hidden}-10, batch {batch} | {chosen} | | | |")


def epoch(setting: Setting, batch_size: int) -> None:
    """Print the wall seconds of the fastest of three epochs (for `threads`)."""
    training, seconds = start(setting, section(batch_size, 4, precision="float32")), []
    count = len(training.data.train)
    training.run(Listener(on_epoch=lambda record: seconds.append(count / record.rows_per_second)))
    print(min(seconds[1:]))


def members_together(setting: Setting) -> None:
    """Seeds trained together and one after another: scikit-learn's digits, 64-100-10."""
    train, valid = peers.digits()
    data = TrainingData.of(train, valid, "multiclass")
    for seeds in (4, 8, 16):
        asked = MembersSection(count=seeds, keep="best", space={})
        chosen = section(64, 10, options={"hidden": [100], **PLAIN}, members=asked)
        mine, its = [], []
        for _ in range(setting.rounds + 1):
            members = []
            for seed in range(seeds):
                prepare_torch(seed, setting.threads)
                network = build_network("mlp", chosen.options, input_shape=(64,), d_out=10)
                dropout = torch.Generator().set_state(torch.get_rng_state())
                members.append(Member(network, seed, dropout))
            alone = [
                build_network("mlp", chosen.options, input_shape=(64,), d_out=10)
                for _ in range(seeds)
            ]
            started = setting.clock()
            Training(members, data, chosen).run(Listener())
            mine.append(setting.clock() - started)
            started = setting.clock()
            for seed, network in enumerate(alone):
                fit(network, data, chosen, seed=seed)
            its.append(setting.clock() - started)
        ours, theirs = statistics.median(mine[1:]), statistics.median(its[1:])
        show(
            f"{seeds} seeds, 10 epochs, together and singly",
            ours,
            theirs,
            ratio(mine[1:], its[1:]),
            "> 1",
        )


class Compiled(nn.Module):
    """A network as torch.compile makes it; with one forward it is trained by autograd."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = torch.compile(network)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def compiled(setting: Setting) -> None:
    """torch.compile: what a step gains, and after how many epochs that has paid for compiling."""
    for hidden, batch_size in ((HIDDEN, 256), ((100,), 64)):
        chosen = section(batch_size, setting.rounds + 1, options={"hidden": list(hidden), **PLAIN})
        plain, faster = start(setting, chosen), start(setting, chosen)
        started = time.perf_counter()
        faster.session.network = Compiled(faster.members[0].network)
        batches = torch.arange(batch_size)
        for _ in range(3):
            faster.session.take(faster.data.train, (batches,))
        cost = time.perf_counter() - started
        # Wall time, as the cost: compilers run in processes of their own.
        mine, its = take_turns(time.perf_counter, plain, epochs_of(faster))
        gain = statistics.median(a - b for a, b in zip(mine, its, strict=True))
        pays = f"after {cost / gain:.0f} epochs" if gain > 0 else "never"
        what = f"784-{hidden}-10, batch {batch_size}: as it is, compiled ({cost:.0f} s to compile)"
        show(
            what, statistics.median(mine), statistics.median(its), ratio(its, mine), f"pays {pays}"
        )


def epochs_of(training: Training) -> Callable[[], None]:
    """One epoch of steps and its validation a call."""

    def run() -> None:
        training._take_steps(Listener(), None)
        training._finish_epoch(training._measure())

    return run
