"""Files that are whole or damaged, for tests that any bytes end in values or in one message.

`make fuzz` sets LAYERLINE_FUZZ_EXAMPLES for far more inputs than `make test` has time for;
benchmarks/guided_fuzzing.py lets coverage choose the inputs.
"""

import functools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from guided import guided
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from layerline.errors import LayerlineError

T = TypeVar("T")
EXAMPLES = int(os.environ.get("LAYERLINE_FUZZ_EXAMPLES", "10"))
GUIDED_INPUTS = int(os.environ.get("LAYERLINE_GUIDED_INPUTS", "0"))
MOST_SECONDS = 2.0


def fuzz(share: int) -> Callable[[Any], Any]:
    """How many inputs a reader gets, `share` times EXAMPLES; one may take two seconds of CPU."""

    def decorate(test: Any) -> Any:
        test.hypothesis.inner_test = _bounded(test.hypothesis.inner_test)
        bounded = settings(
            max_examples=EXAMPLES * share,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate] if EXAMPLES > 1000 else [Phase.generate, Phase.shrink],
        )(test)
        return guided(bounded, GUIDED_INPUTS * share) if GUIDED_INPUTS else bounded

    return decorate


def _bounded(test: Callable[..., None]) -> Callable[..., None]:
    """Raise when the test uses too much of a processor, whatever else that is busy with."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {MOST_SECONDS} seconds of CPU for one input")

    @functools.wraps(test)
    def run(*arguments: Any, **options: Any) -> None:
        previous = signal.signal(signal.SIGVTALRM, stop)
        signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
        try:
            test(*arguments, **options)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, previous)

    return run


def or_message(
    read: Callable[[], T], name: str, kind: type[Exception] = LayerlineError
) -> T | None:
    """What was read; None where one message, with a name in it, refuses the input."""
    try:
        return read()
    except kind as error:
        message = str(error)
    assert message
    assert name in message
    return None


@contextmanager
def on_disk(name: str, content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def damaged(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Some bytes replaced, removed, doubled or put in, or the end cut off; now and then nothing."""
    change = st.tuples(
        st.sampled_from(["set", "cut", "drop", "twice", "insert"]),
        st.integers(0, 2**16),
        st.binary(min_size=1, max_size=3)
        | st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b"'"]),
    )
    return st.builds(_change, whole, st.lists(change, max_size=3))


def _change(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for what, where, put in changes:
        at = where % (len(content) + 1)
        content = {
            "set": content[:at] + put + content[at + len(put) :],
            "cut": content[:at],
            "drop": content[:at] + content[at + len(put) :],
            "twice": content[:at] + content[at // 2 : at] + content[at:],
            "insert": content[:at] + put + content[at:],
        }[what]
    return content
