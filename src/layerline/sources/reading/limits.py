"""How much a file may unfold to: limits, and the meter that readers report to.

A Parquet file of 300 bytes can decode to gigabytes, a CSV header of a megabyte can name 500,000
columns. A reader asks the meter before it decodes, and counts what it decoded.
"""

import time
from dataclasses import dataclass

from layerline.errors import DataError


class TooLargeError(DataError):
    """The file goes beyond a limit."""


@dataclass(frozen=True)
class Limits:
    """What reading one file may cost; None means no limit.

    Attributes:
        columns: in the file.
        cells: rows times the columns that are read.
        decoded_bytes: of the columns that are read, in memory form, in all.
        batch_bytes: of the rows that are in memory at a time; larger batches are cut.
        value_bytes: of one text value.
        header_bytes: of the first line of a delimited file.
        seconds: from the opening of the file to its last row.
    """

    columns: int
    cells: int | None
    decoded_bytes: int | None
    batch_bytes: int
    value_bytes: int
    header_bytes: int
    seconds: float | None


# A user's own files: as large as the disk, but never more in memory than a batch.
FILES = Limits(
    columns=100_000,
    cells=None,
    decoded_bytes=1 << 40,
    batch_bytes=512 << 20,
    value_bytes=16 << 20,
    header_bytes=64 << 20,
    seconds=None,
)
# What anybody may send to a server.
UPLOADS = Limits(
    columns=10_000,
    cells=10_000_000,
    decoded_bytes=96 << 20,
    batch_bytes=32 << 20,
    value_bytes=1 << 20,
    header_bytes=1 << 20,
    seconds=10.0,
)


class Meter:
    """Counts what one reading of one file costs, and refuses more than the limits."""

    def __init__(self, limits: Limits, where: str) -> None:
        self.limits = limits
        self._where = where
        self._n_cells = self._n_bytes = 0
        self._start = time.monotonic()

    def check_columns(self, n_columns: int) -> None:
        """Refuse too many columns.

        Raises:
            TooLargeError: with both numbers.
        """
        if n_columns > self.limits.columns:
            raise self._error(f"{n_columns:,} columns", f"{self.limits.columns:,}")

    def check_value(self, n_bytes: int, column: str) -> None:
        """Refuse a text value that is too long."""
        if n_bytes > self.limits.value_bytes:
            found = f"a value of {_size(n_bytes)} in column {column[:80]!r}"
            raise self._error(found, _size(self.limits.value_bytes))

    def check_line(self, length: int) -> None:
        """Refuse a line, which may be a header, that is too long."""
        if length > self.limits.header_bytes:
            found = f"a line of more than {_size(self.limits.header_bytes)} where its header is"
            raise self._error(found, _size(self.limits.header_bytes))

    def check_header(self, n_separators: int) -> None:
        """Refuse too many columns before the header is cut into names."""
        self.check_columns(n_separators + 1 if n_separators > self.limits.columns else 0)

    def expect(self, n_cells: int, n_bytes: int) -> None:
        """Refuse, before it is decoded, a file that declares too much."""
        self._check(n_cells, n_bytes)

    def expect_more(self, n_bytes: int) -> None:
        """Refuse, before it is decoded, a batch that would go beyond what is left."""
        self._check(self._n_cells, self._n_bytes + n_bytes)

    def add(self, n_cells: int, n_bytes: int) -> None:
        """Count rows that are about to be decoded, and look at the clock."""
        self._n_cells += n_cells
        self._n_bytes += n_bytes
        self._check(self._n_cells, self._n_bytes)
        self.check_time()

    def check_time(self) -> None:
        """Refuse a file that takes too long."""
        allowed = self.limits.seconds
        if allowed is not None and time.monotonic() - self._start > allowed:
            raise TooLargeError(
                f"{self._where}: takes more than {allowed:g} seconds to read; send it in pieces"
            )

    def _check(self, n_cells: int, n_bytes: int) -> None:
        limits = self.limits
        if limits.cells is not None and n_cells > limits.cells:
            raise self._error(f"{n_cells:,} cells", f"{limits.cells:,}")
        if limits.decoded_bytes is not None and n_bytes > limits.decoded_bytes:
            raise self._error(f"{_size(n_bytes)} when decoded", _size(limits.decoded_bytes))

    def _error(self, found: str, allowed: str) -> TooLargeError:
        return TooLargeError(
            f"{self._where}: has {found}, more than the {allowed} allowed; split it, or leave out "
            "what the model does not need"
        )


def _size(n_bytes: int) -> str:
    for factor, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if n_bytes >= factor:
            return f"{n_bytes / factor:,.0f} {unit}"
    return f"{n_bytes} bytes"
