"""A 64-bit word per row of a table of any length: in memory while they are few, else on disk."""

import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
_ROWS_AT_ONCE = 2**21


class Words:
    """A 64-bit word for each of `n_rows` rows, 0 where none was put; on disk when they are many."""

    def __init__(self, n_rows: int, at_once: int = _ROWS_AT_ONCE) -> None:
        self.n_rows, self._at_once = n_rows, at_once
        self._file: IO[bytes] | None = None
        self._array = np.zeros(0, dtype=np.uint64)
        if n_rows <= at_once:
            self._array = np.zeros(n_rows, dtype=np.uint64)
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the words
            self._file.truncate(8 * n_rows)
            weakref.finalize(self, self._file.close)

    def put(self, start: int, values: Hashes) -> None:
        """The words of the rows from `start` on."""
        if self._file is None:
            self._array[start : start + len(values)] = values
        else:
            content = np.ascontiguousarray(values, dtype=np.uint64)
            self._file.seek(8 * start)
            self._file.write(content.data)
            self._file.flush()

    def chunks(self) -> Iterator[tuple[int, Hashes]]:
        """All words in order, some rows at a time, each with its first row."""
        for start in range(0, self.n_rows, self._at_once):
            if self._file is None:
                yield start, self._array
            else:
                n_bytes = 8 * min(self._at_once, self.n_rows - start)
                content = os.pread(self._file.fileno(), n_bytes, 8 * start)
                yield start, np.frombuffer(content, dtype=np.uint64)

    @property
    def n_parts(self) -> int:
        """Into how many parts `part_of` cuts them."""
        return int(2 ** (max(0, self.n_rows - 1) // self._at_once).bit_length())


def part_of(words: Sequence[Words], skip: NDArray[np.bool_], part: int) -> list[NDArray[Any]]:
    """Rising positions of some rows, with each of their words; threads may ask at once.

    Rows whose first words are equal are in the same part, so that what is sorted is small.
    """
    n_parts = words[0].n_parts
    shift = np.uint64(64 - n_parts.bit_length() + 1)
    found = [[np.empty(0, dtype=np.int64), *(np.empty(0, dtype=np.uint64) for _ in words)]]
    for pieces in zip(*(one.chunks() for one in words), strict=True):
        start, hashes = pieces[0]
        is_in = ~skip[start : start + len(hashes)]
        if n_parts > 1:
            is_in &= (hashes >> shift) == part
        at = np.flatnonzero(is_in)
        found.append([start + at, *(piece[at] for _, piece in pieces)])
    return [np.concatenate(column) for column in zip(*found, strict=True)]
