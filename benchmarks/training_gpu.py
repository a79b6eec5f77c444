"""What a step costs on a GPU, beside the card's bfloat16 rate and the loops people write.

    python benchmarks/training_gpu.py [--root FOLDER] [--rows 60000] [--rounds 5]

All sides take turns in one process. Rows lie on the device, precision is the default (bfloat16),
times are wall times between synchronisations, figures are medians. `plain` is the same training
with its steps not recorded as CUDA graphs; `compiled` is a loop over the same tensors with
torch.compile(mode="reduce-overhead"), and its first call is told apart. Images are made from a
seed, or read from FOLDER, which holds MNIST's four IDX files.
"""

import argparse
import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
import training_peers as peers
from torch import Tensor
from training_images import Images, load_images
from training_turns import HIDDEN, PLAIN, Setting, accuracy, section, start

from layerline.training import prefetch as prefetching
from layerline.training.device import prepare_torch
from layerline.training.loop import Training
from layerline.training.prefetch import Source

WIDE = (4096, 4096, 4096)
CASES = [(HIDDEN, 256), (HIDDEN, 1024), (HIDDEN, 8192), (WIDE, 1024), (WIDE, 16384)]


def seconds(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def median(work: Callable[[], object], rounds: int) -> float:
    work()
    return statistics.median(seconds(work) for _ in range(rounds))


def peak(side: int = 8192) -> float:
    """The card's rate of bfloat16 products, in operations a second."""
    a, b = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 * 10 / median(lambda: [a @ b for _ in range(10)], 5)


def one_epoch(training: Training) -> Callable[[], int]:
    """The steps of an epoch without its measurement; returns how many."""
    training.session.network.train()
    steps = training.plan.cut(torch.randperm(len(training.data.train), device="cuda"), 1)

    def run() -> int:
        for batches in steps:
            training.session.take(training.data.train, batches)
            training.session.step = 0  # the schedule knows no later step
        return len(steps)

    return run


def compiled_epoch(
    training: Training, batch_size: int, hidden: tuple[int, ...]
) -> Callable[[], None]:
    """The usual loop over tensors on the device, its network compiled."""
    network = peers.plain_mlp(hidden).cuda()
    forward = torch.compile(network, mode="reduce-overhead")
    optimizer = torch.optim.Adam(network.parameters(), lr=peers.RATE, fused=True)
    x, y = training.data.train.x, training.data.train.y
    n_rows = len(x) - len(x) % batch_size

    def run() -> None:
        for batch in torch.randperm(len(x), device="cuda")[:n_rows].split(batch_size):
            optimizer.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                loss = F.cross_entropy(forward(x[batch]), y[batch])
            loss.backward()
            optimizer.step()

    return run


def steps(setting: Setting, hidden: tuple[int, ...], batch_size: int, card: float) -> None:
    chosen = section(batch_size, 1, device="cuda", options={"hidden": list(hidden), **PLAIN})
    recorded, plain = start(setting, chosen), start(setting, chosen)
    plain.session.graphs = None
    run, run_plain = one_epoch(recorded), one_epoch(plain)
    n_steps = run()
    run_plain()
    compiled = compiled_epoch(recorded, batch_size, hidden)
    first = seconds(compiled)
    compiled()
    n_compiled = len(recorded.data.train) // batch_size
    found: list[list[float]] = [[], [], []]
    for _ in range(setting.rounds):
        for times, work, n in zip(
            found, (run, run_plain, compiled), (n_steps, n_steps, n_compiled), strict=True
        ):
            times.append(seconds(work) / n)
    ours, eager, theirs = (statistics.median(times) for times in found)
    sizes = (784, *hidden, 10)
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    operations = (6 * weights - 2 * sizes[0] * sizes[1]) * len(recorded.data.train) / n_steps
    name = "-".join(map(str, sizes))
    print(
        f"| {name}, batch {batch_size} | {ours * 1e6:.0f} | {eager * 1e6:.0f} | {theirs * 1e6:.0f}"
        f" ({first:.0f} s) | {operations / ours / 1e12:.1f} | {operations / ours / card:.3f} |",
        flush=True,
    )


class OnDevice(peers.Tutorial):
    """The loop of every MNIST tutorial, its network and each batch sent to the GPU."""

    def __init__(self, images: Images, batch_size: int) -> None:
        super().__init__(images, peers.plain_mlp(HIDDEN).cuda(), batch_size)
        self.loader = _Sending(self.loader)  # type: ignore[assignment]

    def epoch(self) -> None:
        self.network.train()
        for data, target in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.network(data), target).backward()
            self.optimizer.step()


class _Sending:
    def __init__(self, loader: torch.utils.data.DataLoader[tuple[Tensor, int]]) -> None:
        self.loader = loader

    def __iter__(self):  # type: ignore[no-untyped-def]
        for data, target in self.loader:
            yield data.cuda(), target.cuda()


def tutorial(setting: Setting, batch_size: int) -> None:
    """Our epoch of steps beside the DataLoader's, both without validation."""
    training = start(setting, section(batch_size, 1, device="cuda"))
    theirs = OnDevice(setting.images, batch_size)
    ours, its = median(one_epoch(training), setting.rounds), seconds(theirs.epoch)
    training.network.cpu()
    theirs.network.cpu()
    reached = accuracy(training.network, setting.images, True), theirs.accuracy()
    print(
        f"| DataLoader loop, batch {batch_size}; accuracy after {setting.rounds + 1} epochs and 1: "
        f"{reached[0]:.4f}, {reached[1]:.4f} | {ours:.3f} s | {its:.2f} s | {its / ours:.0f} |",
        flush=True,
    )


def read_ahead(setting: Setting) -> None:
    """An epoch of rows that stay in main memory, read ahead and one batch after the other."""
    chosen = section(4096, 1, device="cuda", options={"hidden": list(WIDE), **PLAIN})
    training = start(setting, chosen)
    training.session.graphs = None
    resident = median(one_epoch(training), setting.rounds)
    far = dataclasses.replace(training.data.train, x=training.data.train.x.cpu(), is_streamed=True)
    batches = [batch for batch, *_ in training.plan.cut(torch.randperm(len(far)), 1)]

    def take_all(source: Source) -> None:
        for batch in batches:
            training.session.take(source, [batch])
            training.session.step = 0

    def ahead() -> None:
        with prefetching.read_ahead(far, batches) as source:
            take_all(source)

    ours, plain = median(ahead, setting.rounds), median(lambda: take_all(far), setting.rounds)
    print(
        f"| rows in main memory, an epoch at batch 4096: read ahead, one by one; resident "
        f"{resident:.3f} s | {ours:.3f} s | {plain:.3f} s | {plain / ours:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", help="a folder with MNIST's IDX files; else images are made")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    prepare_torch(0, 1)
    setting = Setting(load_images(options.root, options.rows), options.rounds, 1)
    card = peak()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: {card / 1e12:.0f} TFLOP/s")
    print("| network | step, µs | not recorded | compiled | TFLOP/s | of the card's |")
    print("|---|---:|---:|---:|---:|---:|")
    for hidden, batch_size in CASES:
        steps(setting, hidden, batch_size, card)
    for batch_size in (64, 1024):
        tutorial(setting, batch_size)
    read_ahead(setting)


if __name__ == "__main__":
    main()
