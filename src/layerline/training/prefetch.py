"""Batches of rows that do not fit on the GPU, copied there while it works on the previous one."""

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from layerline.training.dataset import Rows

AHEAD = 2  # batches that wait on the GPU


class Source(Protocol):
    """What a step takes its batches from."""

    def take(self, batch: Tensor) -> tuple[Tensor, Tensor]: ...


@contextlib.contextmanager
def read_ahead(rows: Rows, batches: Sequence[Tensor]) -> Iterator[Source]:
    """In the block the batches are taken from the result, each once and in this order.

    Rows on the device, or on disk for the CPU, are their own source.
    """
    if not (rows.is_elsewhere and rows.y.is_cuda):
        yield rows
        return
    ahead = _Ahead(rows, batches)
    try:
        yield ahead
    finally:
        ahead.stop()


class _Ahead:
    """A thread gathers rows into pinned memory and sends them on a separate stream."""

    def __init__(self, rows: Rows, batches: Sequence[Tensor]) -> None:
        self._rows, self._batches = rows, batches
        self._device = rows.y.device
        self._ready: queue.Queue[tuple[Tensor, torch.cuda.Event] | BaseException]
        self._ready = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def take(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The next batch's rows, which must be `batch`."""
        found = self._ready.get()
        if isinstance(found, BaseException):
            raise found
        x, copied = found
        stream = torch.cuda.current_stream(self._device)
        stream.wait_event(copied)
        x.record_stream(stream)  # its memory is free for others when this stream is done with it
        positions = batch.to(self._device, non_blocking=True)
        return x, self._rows.targets.index_select(0, positions)

    def stop(self) -> None:
        """End the thread, also when batches are left."""
        self._stopped.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._send_all()
        except BaseException as error:  # raised where the batch is awaited
            self._give(error)

    def _send_all(self) -> None:
        stream = torch.cuda.Stream(self._device)
        largest = max(map(len, self._batches), default=0)
        shape = (largest, *self._rows.x.shape[1:])
        places = [torch.empty(shape, dtype=self._rows.x.dtype, pin_memory=True) for _ in range(2)]
        events = [torch.cuda.Event(), torch.cuda.Event()]
        for k, batch in enumerate(self._batches):
            if self._stopped.is_set():
                return
            pinned, copied = places[k % 2][: len(batch)], events[k % 2]
            copied.synchronize()  # the copy before last has left this memory
            torch.index_select(self._rows.x, 0, batch.cpu(), out=pinned)
            with torch.cuda.stream(stream):
                x = pinned.to(self._device, non_blocking=True)
                copied = torch.cuda.Event()
                copied.record(stream)
            events[k % 2] = copied
            self._give((x, copied))

    def _give(self, found: tuple[Tensor, torch.cuda.Event] | BaseException) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._ready.put(found, timeout=0.1)
                return
