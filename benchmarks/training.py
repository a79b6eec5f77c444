"""How fast training is, as ratios to what else the machine or another library does in the same run.

    python benchmarks/training.py floor|dataloader|peers|conv1x1|overhead|threads|restarts|compile
        [--root FOLDER] [--rows 10000] [--rounds 5] [--threads 1]

Both sides of a ratio take turns, epoch by epoch or fit by fit, in one process with the same number
of threads; the figure is the median of the rounds' ratios. With one thread the clock is CPU time,
so that other work on the machine hardly counts; with more it is wall time, and the machine must be
quiet. Images are made from a seed, or read from FOLDER, which holds MNIST's four IDX files. `peers`
also measures skorch and Lightning where they are installed: pip install -e ".[bench]".

Rows of a Markdown table go to stdout; keep them in benchmarks/results/training.md.
"""

import argparse
import dataclasses
import itertools
import statistics
from collections.abc import Callable

import torch
import training_peers as peers
from training_costs import compiled, epoch, overhead, restarts, threads
from training_images import load_images
from training_turns import (
    HIDDEN,
    PLAIN,
    Setting,
    accuracy,
    ratio,
    section,
    show,
    start,
    take_turns,
    time_steps,
)

from layerline.networks import build_network
from layerline.training.dataset import TrainingData
from layerline.training.device import prepare_torch
from layerline.training.epoch_records import EpochRecord, Listener
from layerline.training.fit import fit


def matrix_rate(clock: Callable[[], float], shapes: list[tuple[int, int, int]]) -> float:
    """The float32 rate of (n, k) @ (k, m) products in turn, in operations a second."""
    given = [(torch.randn(n, k), torch.randn(k, m), torch.empty(n, m)) for n, k, m in shapes]
    operations = sum(2 * n * k * m for n, k, m in shapes)
    repeats = max(1, round(2e9 / operations))
    seconds = []
    for _ in range(10):
        started = clock()
        for _ in range(repeats):
            for a, b, out in given:
                torch.mm(a, b, out=out)
        seconds.append((clock() - started) / repeats)
    return operations / statistics.median(seconds)


def floor(setting: Setting) -> None:
    """What the steps at batch 256 make of the machine's float32 matrix rate."""
    training = start(setting, section(256, setting.rounds + 1, precision="float32"))
    operations = sum(2 * n * k * m for n, k, m in products(256)) / 256 * len(training.data.train)
    in_steps = time_steps(setting, training)
    found: list[tuple[float, float, float]] = []

    def turn(record: EpochRecord) -> None:
        steps = operations / in_steps()
        square = matrix_rate(setting.clock, [(1024, 1024, 1024)])
        found.append((steps, square, matrix_rate(setting.clock, products(256))))

    training.run(Listener(on_epoch=turn))
    steps, square, own = ([each[k] for each in found[1:]] for k in range(3))
    what = "784-500-300-10, batch 256, GFLOP/s of the steps and of "
    for name, rates, bar in (("1024³ products", square, "≥ 0.9"), ("its own products", own, "")):
        ours, theirs = statistics.median(steps) / 1e9, statistics.median(rates) / 1e9
        show(what + name, ours, theirs, ratio(rates, steps), bar)


def products(n_rows: int) -> list[tuple[int, int, int]]:
    """(n, k, m) of a step's products: forward, weights' gradients, inputs' but the first's."""
    shapes = []
    for place, (d_in, d_out) in enumerate(itertools.pairwise((784, *HIDDEN, 10))):
        shapes += [(n_rows, d_in, d_out), (d_out, n_rows, d_in)]
        if place:
            shapes.append((n_rows, d_out, d_in))
    return shapes


def dataloader(setting: Setting) -> None:
    """The loop of every MNIST tutorial: DataLoader, ToTensor, Normalize, Adam."""
    for batch_size, bar in ((1024, "≥ 10 (bfloat16)"), (64, "≥ 4")):
        training = start(setting, section(batch_size, setting.rounds + 1))
        theirs = peers.Tutorial(setting.images, peers.plain_mlp(HIDDEN), batch_size)
        mine, its = take_turns(setting.clock, training, theirs.epoch)
        precision = training.section.precision
        reached = [accuracy(training.network, setting.images, True), theirs.accuracy()]
        what = f"batch {batch_size}, {precision}; accuracy {reached[0]:.4f} and {reached[1]:.4f}"
        show(what, statistics.median(mine), statistics.median(its), ratio(mine, its), bar)


def conv1x1(setting: Setting) -> None:
    """64 channels at each pixel, 256 hidden units: beside the textbook's network and loop."""
    options = {"channels": [64], "hidden": [256]}
    chosen = section(256, setting.rounds + 1, network="conv1x1_mlp", options=options)
    training = start(setting, chosen, flat=False)
    theirs = peers.Tutorial(setting.images, peers.textbook_conv1x1(), 256)
    mine, its = take_turns(setting.clock, training, theirs.epoch)
    reached = [accuracy(training.network, setting.images, False), theirs.accuracy()]
    what = f"conv1x1_mlp, batch 256; accuracy {reached[0]:.4f} and {reached[1]:.4f}"
    show(what, statistics.median(mine), statistics.median(its), ratio(mine, its), "≥ 4")


def compare_peers(setting: Setting) -> None:
    """scikit-learn, skorch and Lightning: the same network, rows, batches and epochs.

    Ours has its default precision beside scikit-learn, which knows none, and float32 beside the
    other two, as theirs.
    """
    for case in peers.cases(setting.images):
        mine, its = [], []
        for _ in range(setting.rounds + 1):
            started = setting.clock()
            chosen = section(case.batch_size, case.epochs, precision=case.precision)
            chosen = dataclasses.replace(chosen, options={"hidden": list(case.hidden), **PLAIN})
            prepare_torch(0, setting.threads)
            shape = tuple(case.train.x.shape[1:])
            network = build_network("mlp", chosen.options, input_shape=shape, d_out=case.d_out)
            data = TrainingData.of(case.train, case.valid, case.task)
            fit(network, data, chosen, seed=0)
            mine.append(setting.clock() - started)
            started = setting.clock()
            case.fit()
            its.append(setting.clock() - started)
        ours, theirs = statistics.median(mine[1:]), statistics.median(its[1:])
        show(case.name, ours, theirs, ratio(mine[1:], its[1:]), case.bar)


COMMANDS: dict[str, Callable[[Setting], None]] = {
    "floor": floor,
    "dataloader": dataloader,
    "peers": compare_peers,
    "conv1x1": conv1x1,
    "overhead": overhead,
    "threads": threads,
    "restarts": restarts,
    "compile": compiled,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=[*COMMANDS, "epoch"])
    parser.add_argument("--root", help="a folder with MNIST's IDX files; else images are made")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256, help=argparse.SUPPRESS)
    options = parser.parse_args()
    setting = Setting(load_images(options.root, options.rows), options.rounds, options.threads)
    if options.command == "epoch":
        epoch(setting, options.batch)
        return
    print("| what | ours | theirs | ratio | bar |\n|---|---:|---:|---:|---|")
    COMMANDS[options.command](setting)


if __name__ == "__main__":
    main()
