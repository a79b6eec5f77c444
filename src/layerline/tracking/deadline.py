"""An overall deadline for calls to a remote store: a server that trickles never times out."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from layerline.errors import TrackingError

SECONDS_VARIABLE = "LAYERLINE_STORE_SECONDS"
SECONDS = 600.0
_REPEAT_SECONDS = 5.0  # a library may swallow the first interruption


class _DeadlineExceeded(BaseException):
    """Not an Exception, which MLflow would catch and retry."""


@contextlib.contextmanager
def deadline(uri: str, doing: str, seconds: float | None = None) -> Iterator[None]:
    """Limit what the block may take in all; a no-op for a local file and outside the main thread.

    MLflow's own timeout is for the time between two bytes.

    Args:
        uri: the store's.
        doing: what the caller does, for the message.
        seconds: how long; None: what the user allows.

    Raises:
        TrackingError: the time is over.
    """
    seconds = seconds or float(os.environ.get(SECONDS_VARIABLE) or SECONDS)
    is_local = uri.startswith(("sqlite:", "file:"))
    is_nested = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    if is_local or is_nested or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, _raise)
    signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
    try:
        yield
    except _DeadlineExceeded:
        raise TrackingError(
            f"{doing}: MLflow's server did not finish within {seconds:g} s; check the server and "
            f"the network, or wait longer: {SECONDS_VARIABLE}; nothing was lost, run it again"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _raise(number: int, frame: FrameType | None) -> None:
    raise _DeadlineExceeded
