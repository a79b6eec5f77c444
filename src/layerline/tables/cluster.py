"""Rows worked on by the workers of a Dask cluster, where LAYERLINE_DASK names its scheduler.

The work is what threads would do, and its results are used in the same order, so every file is the
same to the byte. A worker that dies has its part done again by another.
"""

import functools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol, TypeVar

from layerline.errors import SourceError
from layerline.text import first_line

A = TypeVar("A")
B = TypeVar("B")
VARIABLE = "LAYERLINE_DASK"
_ROOT = "DVC_ROOT"  # the main checkout, which has the downloads
_CONNECT_SECONDS = 30
_AHEAD = 2  # pieces for each thread of the cluster: one in work, one that waits
_VERSIONS = ("layerline", "numpy", "pandas", "pyarrow")


class Each(Protocol):
    """Calls a function with each of some items, somewhere; the results are in their order."""

    def __call__(
        self, function: Callable[[A], B], items: Iterable[A], /
    ) -> Generator[B, None, None]: ...


def workers() -> Each | None:
    """The workers of the cluster that is named; None: there is none."""
    address = scheduler_address()
    return None if address is None else functools.partial(on_workers, address)


def scheduler_address() -> str | None:
    """The address of Dask's scheduler, such as tcp://10.0.0.1:8786; None: there is no cluster."""
    return os.environ.get(VARIABLE) or None


def on_workers(
    address: str, function: Callable[[A], B], items: Iterable[A], /
) -> Generator[B, None, None]:
    """`function` of each item, in their order, by the cluster's workers.

    Some are worked on ahead: as many as the cluster has threads, and as many that wait.

    Raises:
        SourceError: the cluster cannot be reached, differs from this machine, or lost its workers.
        LayerlineError: what the function raised.
    """
    from distributed import KilledWorker
    from distributed.protocol.pickle import dumps, loads

    client, place = _connect(address), (os.getcwd(), os.environ.get(_ROOT))  # noqa: PTH109
    # A task's result, not scattered data: Dask makes it again when its worker dies.
    work = client.submit(loads, dumps(function), pure=False)
    n_ahead = max(_AHEAD * sum(client.nthreads().values()), 1)
    running: deque[Any] = deque()
    try:
        for item in items:
            running.append(client.submit(_call, place, work, item, pure=False))
            if len(running) > n_ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except KilledWorker as error:
        message = f"{address}: several workers died of the same rows ({first_line(error)}); "
        raise SourceError(f"{message}give them more memory") from None
    finally:
        client.cancel(list(running))


def _call(place: tuple[str, str | None], function: Callable[[A], B], item: A) -> B:
    folder, root = place
    os.chdir(folder)  # where relative paths begin, and code of the user's own is looked for
    if root is None:
        os.environ.pop(_ROOT, None)
    else:
        os.environ[_ROOT] = root
    return function(item)


@functools.cache
def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise SourceError(
            f"{VARIABLE} is set, but Dask is not installed: `pip install layerline[cluster]`"
        ) from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise SourceError(
            f"{VARIABLE}={address}: no Dask scheduler with a worker answers there "
            f"({first_line(error)}); start them, or unset the variable"
        ) from None
    _require_alike(client)
    return client


def _require_alike(client: Any) -> None:
    """Refuse workers that have other code, or do not see the project's folder."""
    here = _versions()
    for worker, versions in client.run(_versions).items():
        differing = [f"{n} {v} (here {here[n]})" for n, v in versions.items() if v != here[n]]
        if differing:
            raise SourceError(
                f"worker {worker} has {', '.join(differing)}: results could differ; install the "
                "same versions on each machine"
            )
    folder = os.getcwd()  # noqa: PTH109
    for worker, sees in client.run(os.path.isdir, folder).items():
        if not sees:
            raise SourceError(
                f"worker {worker} has no folder {folder}: the project must lie in a file system "
                "that all machines have at the same place"
            )


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in _VERSIONS}
