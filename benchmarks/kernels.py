"""What each hand-written kernel brings on this machine: steps with it and without it, in turn.

    python benchmarks/kernels.py [--only NAME ...] [--rounds 15] [--threads 1]

Both sides are the same training of made data, in one process; each round runs some steps of one and
then of the other. The figure is the median of the rounds' ratios, and a kernel that brings less
than 5 % on Intel's and on AMD's processors should go. With one thread the clock is CPU time. A
second part (`--only all`) compares steps with all kernels to the loop that people write: tensors in
memory, autograd and a fused Adam, in float32.
"""

import argparse
import contextlib
import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layerline.config import Component, TrainSection
from layerline.kernels import switch
from layerline.networks import build_network
from layerline.networks.embeddings import fit_embeddings
from layerline.training.dataset import Rows, TrainingData
from layerline.training.device import prepare_torch
from layerline.training.loop import Training
from layerline.training.member import Member

SECONDS = 0.15  # of one side's steps in a round
PLAIN = {"norm": "none", "dropout": 0.0}


@dataclasses.dataclass(frozen=True)
class Case:
    """A training in which a kernel matters."""

    kernel: str
    what: str
    shape: tuple[int, ...]
    d_out: int
    batch: int
    options: dict[str, Any]
    precision: str = "float32"
    network: str = "mlp"


def mlp(kernel: str, widths: tuple[int, ...], batch: int, **options: Any) -> Case:
    """A case of d_in-hidden-...-d_out; `precision` may be among the options."""
    precision = options.pop("precision", "float32")
    note = "".join(f", {name}" for name, value in options.items() if value)
    what = f"{'-'.join(map(str, widths))}, batch {batch}, {precision}{note}"
    given = {**PLAIN, **options, "hidden": list(widths[1:-1])}
    return Case(kernel, what, (widths[0],), widths[-1], batch, given, precision)


MNIST, WIDE = (784, 100, 10), (784, 500, 300, 10)
BINS = {"name": "piecewise_linear", "bins": 32, "width": 8}
IMAGES: dict[str, Any] = {"shape": (1, 28, 28), "d_out": 10, "batch": 256, "options": {}}
CASES = (
    mlp("linear", WIDE, 256),
    mlp("linear", MNIST, 200),
    mlp("chain", WIDE, 256),
    mlp("chain", MNIST, 200),
    mlp("chain", (30, 256, 128, 1), 200),
    mlp("chain", (64, 100, 10), 64),
    mlp("chain", WIDE, 256, precision="bfloat16"),
    mlp("chain", MNIST, 200, precision="bfloat16"),
    mlp("batch_norm", (30, 256, 128, 10), 256, norm="batch"),
    mlp("batch_norm", WIDE, 256, norm="batch"),
    mlp("dropout", (30, 256, 128, 10), 256, norm="batch", dropout=0.1),
    mlp("dropout", WIDE, 256, dropout=0.2),
    mlp("cross_entropy", (30, 256, 128, 10), 256),
    mlp("cross_entropy", WIDE, 256),
    mlp("optimizer_step", (64, 100, 10), 64),
    mlp("optimizer_step", (30, 256, 128, 1), 200),
    mlp("row_type", MNIST, 200, precision="bfloat16"),
    mlp("row_type", WIDE, 1024, precision="bfloat16"),
    mlp("bin_tables", (30, 256, 128, 1), 256, numeric_embeddings=BINS),
    mlp("bin_tables", (100, 256, 128, 1), 256, numeric_embeddings=BINS),
    mlp("bin_tables", (30, 256, 128, 1), 256, numeric_embeddings={**BINS, "edges": "quantile"}),
    mlp("waves", (30, 256, 128, 1), 256, numeric_embeddings={"name": "periodic"}),
    Case("pixel_tables", "conv1x1_mlp, batch 256, float32", **IMAGES, network="conv1x1_mlp"),
    Case(
        "pixel_groups",
        "conv1x1_mlp, batch 256, bfloat16",
        **IMAGES,
        network="conv1x1_mlp",
        precision="bfloat16",
    ),
)


@dataclasses.dataclass(frozen=True)
class Side:
    """A step, and the kernels that are off while it runs."""

    step: Callable[[], object]
    off: tuple[str, ...] = ()

    def context(self) -> contextlib.AbstractContextManager[None]:
        return switch.without(*self.off) if self.off else contextlib.nullcontext()


def rows_of(case: Case, n_rows: int = 4096) -> Rows:
    """Made rows; a fifth of an image's pixels is not background."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_rows, *case.shape, generator=generator)
    if len(case.shape) > 1:
        x = (x - 0.85).clamp(min=0)
    is_number = case.d_out == 1
    y = (
        x.flatten(1)[:, 0]
        if is_number
        else torch.randint(case.d_out, (n_rows,), generator=generator)
    )
    return Rows(x, y)


def start(case: Case, has_torchs_dropout: bool = False) -> Callable[[], object]:
    """One step a call of a training, with the kernels that are on now."""
    torch.manual_seed(0)
    network = build_network(case.network, case.options, input_shape=case.shape, d_out=case.d_out)
    if has_torchs_dropout:
        for path, module in list(network.named_modules()):
            if isinstance(module, nn.Dropout):
                network.set_submodule(path, nn.Dropout(module.p))
    section = TrainSection(
        network=case.network,
        options=case.options,
        optimizer=Component(name="adam"),
        schedule=Component(name="constant"),
        batch_size=case.batch,
        early_stopping=None,
        precision=case.precision,
    )
    rows = rows_of(case)
    fit_embeddings(network, rows.x)
    task = "regression" if case.d_out == 1 else "multiclass"
    training = Training([Member(network, 0)], TrainingData.of(rows, rows, task), section)
    training.session.begin_epoch(1)
    batches = endless(len(rows), case.batch)
    return lambda: training.session.take(training.data.train, (next(batches),))


def endless(n_rows: int, batch: int) -> Iterator[Tensor]:
    while True:
        yield from torch.randperm(n_rows).split(batch)[: n_rows // batch]


def bare_loop(case: Case) -> Callable[[], object]:
    """A step of the loop that people write: autograd, tensors in memory, a fused Adam."""
    torch.manual_seed(0)
    widths = [case.shape[0], *case.options["hidden"]]
    layers: list[nn.Module] = []
    for d_in, d_out in itertools.pairwise(widths):
        layers += [nn.Linear(d_in, d_out), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(widths[-1], case.d_out))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    rows, batches = rows_of(case), endless(4096, case.batch)

    def step() -> None:
        batch = next(batches)
        x, y = rows.x.index_select(0, batch), rows.y.index_select(0, batch)
        outputs = network(x)
        loss = F.mse_loss(outputs[:, 0], y) if case.d_out == 1 else F.cross_entropy(outputs, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def sides(case: Case) -> tuple[Side, Side]:
    """The training with the kernel and without it."""
    off = (case.kernel,)
    if case.kernel == "dropout":
        # Without the kernel the masks stay the same; what it saves is torch's way to draw them.
        off = ("chain",)
        with switch.without(*off):
            return Side(start(case), off), Side(start(case, has_torchs_dropout=True), off)
    ours = Side(start(case))
    with switch.without(*off):
        return ours, Side(start(case), off)


def compare(ours: Side, theirs: Side, rounds: int, clock: Callable[[], float]) -> str:
    """Microseconds of a step on both sides, and the median of the rounds' ratios."""
    n_steps = calibrate(ours)
    found: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        seconds = []
        for side in (ours, theirs):
            with side.context():
                started = clock()
                for _ in range(n_steps):
                    side.step()
                seconds.append((clock() - started) / n_steps)
        found.append((seconds[0], seconds[1]))
    own, other = (statistics.median(pair[k] for pair in found[1:]) * 1e6 for k in (0, 1))
    ratio = statistics.median(other / own for own, other in found[1:])
    return f"{own:.0f} | {other:.0f} | {ratio:.3f} |"


def calibrate(side: Side) -> int:
    """Steps that take about SECONDS."""
    with side.context():
        for _ in range(3):
            side.step()
        started = time.process_time()
        for _ in range(3):
            side.step()
    return max(2, round(SECONDS * 3 / (time.process_time() - started)))


def processor() -> str:
    """The processor's name and what decides the choice of kernels."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "?")
    amx, bf16 = torch.cpu._is_amx_tile_supported(), torch.cpu._is_avx512_bf16_supported()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{name}: {capability}, AVX512_BF16 {bf16}, AMX {amx}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="*", default=[*sorted(switch.KERNELS), "all"], metavar="NAME"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    prepare_torch(0, options.threads)
    print(f"{processor()}; torch {torch.__version__}, {options.threads} thread(s)\n")
    print("| kernel | training | with, µs | without, µs | ratio |\n|---|---|---:|---:|---:|")
    clock = time.process_time if options.threads == 1 else time.perf_counter
    for case in CASES:
        if case.kernel in options.only:
            figures = compare(*sides(case), options.rounds, clock)
            print(f"| {case.kernel} | {case.what} | {figures}", flush=True)
    for case in CASES:
        if case.kernel == "chain" and case.precision == "float32" and "all" in options.only:
            figures = compare(Side(start(case)), Side(bare_loop(case)), options.rounds, clock)
            print(f"| all, beside a bare loop | {case.what} | {figures}", flush=True)


if __name__ == "__main__":
    main()
