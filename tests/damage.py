"""Files that are whole or damaged, for tests that any bytes end in values or in one message.

`make fuzz` sets LAYERLINE_FUZZ_EXAMPLES for far more inputs than `make test` has time for.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("LAYERLINE_FUZZ_EXAMPLES", "10"))


def fuzz(share: int) -> settings:
    """How many inputs a reader gets; the shares add up to 21."""
    return settings(
        max_examples=EXAMPLES * share,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate] if EXAMPLES > 1000 else [Phase.generate, Phase.shrink],
    )


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
