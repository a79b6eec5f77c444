"""How fast training is, as ratios to what else the machine or another library does in the same run.

    python benchmarks/training.py dataloader|peers|conv1x1|overhead|threads|members|compile
        [--root FOLDER] [--rows 10000] [--rounds 5] [--threads 1]

Both sides of a ratio take turns, epoch by epoch or fit by fit, in one process with the same number
of threads; the figure is the median of the rounds' ratios. With one thread the clock is CPU time,
so that other work on the machine hardly counts; with more it is wall time, and the machine must be
quiet. Images are made from a seed, or read from FOLDER, which holds MNIST's four IDX files. `peers`
also measures skorch and Lightning where they are installed: pip install -e ".[bench]".

Rows of a Markdown table go to stdout; keep them in benchmarks/results/training.md. What the kernels
bring, and how a step compares to a bare loop of torch: benchmarks/kernels.py.
"""

import argparse
import dataclasses
import statistics
from collections.abc import Callable

import training_peers as peers
from training_costs import compiled, epoch, members_together, overhead, threads
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
)

from layerline.networks import build_network
from layerline.training.dataset import TrainingData
from layerline.training.device import prepare_torch
from layerline.training.fit import fit


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
    "dataloader": dataloader,
    "peers": compare_peers,
    "conv1x1": conv1x1,
    "overhead": overhead,
    "threads": threads,
    "members": members_together,
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
