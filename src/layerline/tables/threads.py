"""The second core: some rows are read or computed while others are written; results are the same.

What is computed, and in which order it is used, is that of one thread, so no byte depends on how
many there are.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from layerline.process import usable_cores

A = TypeVar("A")
B = TypeVar("B")
_MOST = 4  # more would wait for Python, or for memory
_END: Any = object()
_worker = threading.local()  # `is_one` in the threads of `in_order`


def n_threads() -> int:
    """The cores that this process may use, as far as they help."""
    return min(usable_cores(), _MOST)


def ahead(items: Iterable[A]) -> Iterator[A]:
    """The items; the next one is made while the caller works on this one."""
    if n_threads() < 2:
        yield from items
        return
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, iterator, _END)
            yield item


def in_order(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """`function` of each item, in their order; of as many at once as there are threads."""
    if (n := n_threads()) < 2:
        yield from map(function, items)
        return
    running: deque[Future[B]] = deque()
    with ThreadPoolExecutor(n, initializer=_begin) as pool:
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > n:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _begin() -> None:
    _worker.is_one = True


def side_by_side(function: Callable[[A], B], columns: Iterable[A]) -> list[B]:
    """`function` of each column, in their order; one after another in a thread of `in_order`."""
    if getattr(_worker, "is_one", False) or (n := n_threads()) < 2:
        return list(map(function, columns))
    # Not kept: a process that is forked later would have the pool, and none of its threads.
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(function, columns))


@contextlib.contextmanager
def beside(function: Callable[[], B]) -> Iterator[Callable[[], B]]:
    """Call `function` in a thread while the block runs; what is yielded waits for its result."""
    if n_threads() < 2:
        yield function
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function).result


class Behind:
    """Calls one after another in a thread of its own; each waits for the one before it.

    An error of a call is raised by the next, or by `wait`.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1) if n_threads() > 1 else None
        self._last: Future[None] | None = None

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        self.wait()
        if self._pool is None:
            function(*arguments)
        else:
            self._last = self._pool.submit(function, *arguments)

    def wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def close(self) -> None:
        """Wait for a call that runs; its error, if any, is not the first."""
        if self._pool is not None:
            self._pool.shutdown()
