"""One training on one and on two processes, and what a model of its cost predicts for more.

    python benchmarks/scale.py              # some minutes; writes benchmarks/results/scale.md
    python benchmarks/scale.py --rounds 2   # a quick look

Two ranks take turns: rank 0 trains alone while rank 1 waits, then both train together, round by
round, so that other work on the machine slows both alike. One thread a process. The model takes its
numbers from the steps alone and from all-reduces alone; what it says of two ranks is a prediction.
"""

import argparse
import dataclasses
import itertools
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from layerline.config import Component, TrainSection, read_rank_place
from layerline.kernels.dropout import draw_kept
from layerline.kernels.ranks import ALONE, Ranks
from layerline.networks import build_network
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.loop import Training
from layerline.training.member import Member
from layerline.training.rank_group import join

RESULT = Path(__file__).parent / "results" / "scale.md"
N_INPUTS, HIDDEN, N_CLASSES = 784, (1024, 1024), 10
STEPS = 4  # in a turn
BATCHES = (512, 1024, 2048)  # the model's line is through the first and the last
WHOLE_MASKS = 8  # ranks: more draw the masks of their own rows alone
NETWORKS = {
    "plain": {"norm": "none", "dropout": 0.0},
    "batch norm, dropout 0.2": {"norm": "batch", "dropout": 0.2},
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds: what a step costs beside its rows, a row, a mask's row, and an all-reduce."""

    step: float
    row: float
    mask_row: float
    latency: float
    byte: float
    n_bytes: int
    n_norms: int
    norm_bytes: int

    def predict(self, n: int, batch: int, link: "Link | None" = None) -> float:
        """A step of `n` ranks on `batch` rows, all together."""
        latency, byte = (self.latency, self.byte) if link is None else (link.latency, link.byte)

        def reduce(n_bytes: float) -> float:  # a ring: each rank sends twice its part of the rest
            return 2 * (n - 1) * latency + 2 * (n - 1) / n * n_bytes * byte

        drawn = batch - batch / n if n <= WHOLE_MASKS else 0.0
        gathers = self.n_norms * ((n - 1) * latency + (n - 1) * self.norm_bytes * byte)
        sums = self.n_norms * reduce(self.norm_bytes)
        rows = self.row * batch / n + self.mask_row * drawn
        return self.step + rows + (reduce(self.n_bytes) + gathers + sums if n > 1 else 0.0)


@dataclasses.dataclass(frozen=True)
class Link:
    """A network between hosts."""

    name: str
    latency: float
    byte: float


LINKS = (
    Link("10 Gbit/s Ethernet, 30 µs", 30e-6, 1 / 1.1e9),
    Link("100 Gbit/s, 5 µs", 5e-6, 1 / 11e9),
)


def start(network: str, batch: int, ranks: Ranks) -> Training:
    """A training with arrays of one batch's rows, so that no row is read twice from memory."""
    prepare_torch(0, 1)
    section = TrainSection(
        options={"hidden": list(HIDDEN), **NETWORKS[network]},
        optimizer=Component(name="adamw"),
        schedule=Component(name="constant"),
        batch_size=batch,
        epochs=10**6,
        early_stopping=None,
        precision="float32",
        device="cpu",
    )
    rows = Rows(torch.randn(batch * STEPS, N_INPUTS), torch.arange(batch * STEPS) % N_CLASSES)
    built = build_network("mlp", section.options, input_shape=(N_INPUTS,), d_out=N_CLASSES)
    valid = Rows(rows.x[:10], rows.y[:10])
    data = TrainingData.of(rows, valid, "multiclass")
    return Training([Member(built, 0)], data, section, None, ranks)


def turn(training: Training) -> tuple[float, float]:
    """Wall and processor seconds of a step, over one epoch's steps."""
    training.session.begin_epoch(1)
    steps = training._steps()
    wall, cpu = time.perf_counter(), time.process_time()
    for batches in steps:
        training.session.take(training.data.train, batches)
    n = len(steps)
    return (time.perf_counter() - wall) / n, (time.process_time() - cpu) / n


def reduce_seconds(n_bytes: int, repeats: int) -> float:
    """Processor seconds of one all-reduce, the least of several; the ranks wait for each other."""
    tensor, found = torch.zeros(n_bytes // 4), []
    for _ in range(repeats):
        dist.barrier()
        began = time.process_time()
        dist.all_reduce(tensor)
        found.append(time.process_time() - began)
    return min(found)


def mask_seconds() -> float:
    """To draw the masks of one row."""
    shape, found = torch.Size((BATCHES[-1], sum(HIDDEN))), []
    for _ in range(5):
        began = time.process_time()
        draw_kept(shape, 0.2)
        found.append(time.process_time() - began)
    return min(found) / BATCHES[-1]


def measure(ranks: Ranks, network: str, n_rounds: int) -> tuple[dict[str, Any], Cost]:
    """Seconds of a step alone at both batches and together at the larger one; the model."""
    alone = {batch: start(network, batch, ALONE) for batch in BATCHES}
    together = start(network, BATCHES[-1], ranks)
    found: dict[Any, list[tuple[float, float]]] = {batch: [] for batch in (*BATCHES, "together")}
    for _ in range(n_rounds + 1):
        for batch, training in alone.items():
            if ranks.rank == 0:
                found[batch].append(turn(training))
            dist.barrier()
        found["together"].append(turn(together))
        dist.barrier()
    both = ranks.of_each(found["together"][1:])
    # The slower rank's: the other one waits for it, which takes no processor time.
    pairs = [tuple(map(max, zip(*each, strict=True))) for each in zip(*both, strict=True)]
    n_bytes = 4 * sum(p.numel() for p in together.session.network.parameters())
    n_norms = len(HIDDEN) if NETWORKS[network]["norm"] == "batch" else 0
    latency = reduce_seconds(64, 200) / 2
    byte = max(0.0, reduce_seconds(n_bytes, 20) - 2 * latency) / n_bytes
    if ranks.rank:
        return {}, Cost(*[0] * 8)
    least = {batch: min(cpu for _, cpu in found[batch][1:]) for batch in BATCHES}
    small, middle, large = BATCHES
    row = (least[large] - least[small]) / (large - small)
    mask = mask_seconds() if NETWORKS[network]["dropout"] else 0.0
    step, norm_bytes = least[large] - row * large, 8 * HIDDEN[0]
    cost = Cost(step, row, mask, latency, byte, n_bytes, n_norms, norm_bytes)
    cpu = least[middle], least[large], min(cpu for _, cpu in pairs)
    wall = [one / two for (one, _), (two, _) in zip(found[large][1:], pairs, strict=True)]
    return {"cpu": cpu, "wall": (min(wall), statistics.median(wall), max(wall))}, cost


def work(n_rounds: int) -> None:
    """What each of the two ranks does."""
    place = read_rank_place()
    assert place is not None
    ranks = join(place, torch.device("cpu"), "benchmark")
    lines = [
        HEAD.format(
            load=os.getloadavg()[0], rows=BATCHES[-1], cores=os.cpu_count(), cpu=processor()
        )
    ]
    costs = {}
    for network in NETWORKS:
        found, cost = measure(ranks, network, n_rounds)
        if ranks.rank == 0:
            costs[network] = cost
            (half, one, two), (low, middle, high) = found["cpu"], found["wall"]
            errors = cost.predict(1, BATCHES[1]) / half - 1, cost.predict(2, BATCHES[-1]) / two - 1
            lines.append(
                f"| {network} | {one * 1e3:.0f} | {two * 1e3:.0f} | {one / two:.2f} | "
                f"{low:.2f}, {middle:.2f}, {high:.2f} | {cost.predict(2, BATCHES[-1]) * 1e3:.0f} | "
                f"{errors[0]:+.0%}, {errors[1]:+.0%} |"
            )
    if ranks.rank == 0:
        RESULT.write_text("\n".join([*lines, "", *predictions(costs)]) + "\n", encoding="utf-8")
        print(RESULT.read_text(encoding="utf-8"))


HEAD = """# One training on several processes

`python benchmarks/scale.py`, {cores} cores, {cpu}, one thread a process; load {load:.0f}
(other work ran). 784-1024-1024-10, AdamW, float32, {rows:,} rows a batch, of all ranks together.

Milliseconds of a step are processor time of the slower rank, the least of the rounds: what a step
takes where no other work runs. Ratios by the clock are of turns side by side: least, median, most.
The model knows steps of one process and all-reduces; its error is that for one process on half of
the rows, and for two ranks.

| network | one process | two ranks | ratio | by the clock | predicted | errors |
|---|---|---|---|---|---|---|"""
FOUND = """{network}: a step costs {step:.1f} ms and {row:.1f} µs a row, its masks {mask:.2f} µs;
{size:.1f} MB of gradients; here an all-reduce takes {latency:.0f} µs and {byte:.2f} ns a byte.
The speed-up that the model predicts:

| link | rows a batch | 8 ranks | 64 | 512 |
|---|---|---|---|---|"""


def predictions(costs: dict[str, Cost]) -> list[str]:
    """What the model says of 8, 64 and 512 ranks, a core each, every one on a host of its own."""
    lines = []
    for network, cost in costs.items():
        lines.append(
            FOUND.format(
                network=network,
                step=cost.step * 1e3,
                row=cost.row * 1e6,
                mask=cost.mask_row * 1e6,
                size=cost.n_bytes / 1e6,
                latency=cost.latency * 2e6,
                byte=cost.byte * 1e9,
            )
        )
        for link, grows in itertools.product(LINKS, (False, True)):
            batches = [(n, BATCHES[-1] * (n if grows else 1)) for n in (8, 64, 512)]
            ups = [cost.predict(1, b) / cost.predict(n, b, link) for n, b in batches]
            rows = f"{BATCHES[-1]:,} {'a rank' if grows else 'in all'}"
            lines.append(
                f"| {link.name} | {rows} | " + " | ".join(f"{up:.1f}" for up in ups) + " |"
            )
        lines.append("")
    return lines


def processor() -> str:
    """The name of this machine's processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")


def main() -> int:
    """Start two ranks of this script, as torchrun does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    rounds = parser.parse_args().rounds
    if read_rank_place() is not None:
        work(rounds)
        return 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run([*torchrun, __file__, f"--rounds={rounds}"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
