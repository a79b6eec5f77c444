"""The arrays of data/scaled, written batch by batch: what is written leaves memory at once.

Equal rows give the bytes that `numpy.save` of the whole array would.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArrayWriter:
    """One .npy file of `n_rows` rows, which come in order."""

    def __init__(self, path: Path, n_rows: int) -> None:
        self._path = path
        self._file = path.open("wb")
        self._n_rows = n_rows
        self._n_written = 0

    def write(self, rows: NDArray[Any]) -> None:
        """Add rows; the first say type and shape."""
        if not self._n_written:
            header = np.lib.format.header_data_from_array_1_0(rows)
            header |= {"shape": (self._n_rows, *rows.shape[1:]), "fortran_order": False}
            np.lib.format.write_array_header_1_0(self._file, header)
        self._n_written += len(rows)
        self._file.write(np.ascontiguousarray(rows).data)

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is None and self._n_written != self._n_rows:
            raise ValueError(f"{self._path}: {self._n_written} rows of {self._n_rows} were written")


class SplitWriter:
    """The arrays of one split: `<split>_<kind>.npy` for each kind that is written."""

    def __init__(self, folder: Path, split: str, n_rows: int) -> None:
        self._folder = folder
        self._split = split
        self._n_rows = n_rows
        self._files: dict[str, ArrayWriter] = {}
        self._stack = contextlib.ExitStack()

    def write(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add the same rows to each kind's array."""
        for kind, rows in arrays.items():
            if kind not in self._files:
                path = self._folder / f"{self._split}_{kind}.npy"
                writer = ArrayWriter(path, self._n_rows)
                self._files[kind] = self._stack.enter_context(writer)
            self._files[kind].write(rows)

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)


@contextlib.contextmanager
def split_writers(folder: Path, n_rows: Mapping[str, int]) -> Iterator[list[SplitWriter]]:
    """A writer for each split, in the order of `n_rows`; closed with the block.

    Raises:
        ValueError: rows are missing, and the block has not failed.
    """
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(SplitWriter(folder, *split)) for split in n_rows.items()]
