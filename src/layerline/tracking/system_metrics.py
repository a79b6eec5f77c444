"""What the machine does while a training runs, under the names of MLflow's system metrics.

A light thread reads psutil, four times in the first second and every ten seconds in the end, and
logs to the journal; half a millisecond each. A failure is silent. It starts after the first epoch,
or after ten seconds: of a run's metrics, MLflow's pages put first what came first.
To add a reading: a function in `_READERS`.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from layerline.tracking.journal import Journal
from layerline.tracking.tracking_switch import is_off

FIRST_SECONDS, LAST_SECONDS, GROWTH = 0.25, 10.0, 1.15
JOIN_SECONDS = 2.0
_MB = 1e6  # as MLflow counts them


@contextlib.contextmanager
def sampling(
    journal: Journal,
    first_seconds: float = FIRST_SECONDS,
    has_epoch: threading.Event | None = None,
) -> Iterator[None]:
    """Log the machine's load while the block runs, from `has_epoch` on, and once at its end."""
    if is_off():
        yield
        return
    done, start = threading.Event(), has_epoch or threading.Event()
    if has_epoch is None:
        start.set()
    arguments = (done, journal, first_seconds, start)
    thread = threading.Thread(target=_sample, args=arguments, name="system-metrics", daemon=True)
    with contextlib.suppress(RuntimeError):  # no more threads: no system metrics
        thread.start()
    try:
        yield
    finally:
        done.set()
        start.set()
        if thread.ident is not None:
            thread.join(JOIN_SECONDS)  # a disk that hangs must not hold up the training's end


def _sample(done: threading.Event, journal: Journal, pause: float, start: threading.Event) -> None:
    # Nothing of this may reach the training, not even as a traceback among its output.
    with contextlib.suppress(Exception):
        meter = Meter(journal.path.parent)
        step, is_last = 0, False
        start.wait(LAST_SECONDS)
        while not is_last:
            is_last = done.wait(pause)
            journal.metrics(meter.read(), step=step)
            step, pause = step + 1, min(pause * GROWTH, LAST_SECONDS)


class Meter:
    """Reads the machine's load; rates and traffic count from the reading before, or its making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = psutil.Process()
        self.received = self.sent = 0.0
        self.received, self.sent = _traffic(self)
        self.read()  # the first percentages of psutil mean nothing

    def read(self) -> dict[str, float]:
        """All readings that this machine offers, as `system/...`."""
        found: dict[str, float] = {}
        for reader in _READERS:
            with contextlib.suppress(Exception):  # one that fails must not prevent the others
                found |= reader(self)
        return {f"system/{name}": value for name, value in found.items()}


def _traffic(meter: Meter) -> tuple[float, float]:
    """Megabytes received and sent since the meter was made."""
    counters = psutil.net_io_counters()
    if counters is None:  # no network at all
        return 0.0, 0.0
    return counters.bytes_recv / _MB - meter.received, counters.bytes_sent / _MB - meter.sent


def _cpu(meter: Meter) -> dict[str, float]:
    return {"cpu_utilization_percentage": psutil.cpu_percent()}


def _memory(meter: Meter) -> dict[str, float]:
    memory = psutil.virtual_memory()
    return {
        "system_memory_usage_megabytes": round(memory.used / _MB, 1),
        "system_memory_usage_percentage": round(memory.used / memory.total * 100, 1),
    }


def _process(meter: Meter) -> dict[str, float]:
    """Of the training alone; MLflow has no name for it. 100 % is one core."""
    return {
        "process_memory_megabytes": round(meter.process.memory_info().rss / _MB, 1),
        "process_cpu_percentage": meter.process.cpu_percent(),
    }


def _disk(meter: Meter) -> dict[str, float]:
    """The disk on which the journal is."""
    disk = psutil.disk_usage(str(meter.folder))
    return {
        "disk_usage_percentage": disk.percent,
        "disk_usage_megabytes": round(disk.used / _MB, 1),
        "disk_available_megabytes": round(disk.free / _MB, 1),
    }


def _network(meter: Meter) -> dict[str, float]:
    received, sent = _traffic(meter)
    return {"network_receive_megabytes": received, "network_transmit_megabytes": sent}


def _gpus(meter: Meter) -> dict[str, float]:
    """Memory of each GPU that the training made torch use, and its load where NVML is there."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found: dict[str, float] = {}
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        found[f"gpu_{number}_memory_usage_megabytes"] = round((total - free) / _MB, 1)
        found[f"gpu_{number}_memory_usage_percentage"] = round((total - free) / total * 100, 1)
        with contextlib.suppress(Exception):  # torch asks NVML, a package that is not required
            found[f"gpu_{number}_utilization_percentage"] = torch.cuda.utilization(number)
            found[f"gpu_{number}_power_usage_watts"] = torch.cuda.power_draw(number) / 1000
    return found


_READERS: tuple[Callable[[Meter], dict[str, float]], ...] = (
    _cpu,
    _memory,
    _process,
    _disk,
    _network,
    _gpus,
)
