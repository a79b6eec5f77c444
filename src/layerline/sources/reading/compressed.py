"""Single files under a compression: `shop.csv.gz`, `.bz2`, `.xz`, `.zst`.

To add a compression: a line in OPENERS.
"""

import bz2
import gzip
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

BLOCK = 1 << 20
# Tables of text compress up to 30-fold, bombs a thousandfold; small ones do no harm.
MAX_RATIO, HARMLESS_BYTES, MAX_BYTES = 200, 64 << 20, 64 << 30


def _zstandard(path: Path) -> Any:
    import pyarrow as pa  # here: the names of files are checked where nothing is read

    return pa.input_stream(str(path), compression="zstd")


OPENERS: Mapping[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}


def is_compressed(path: Path) -> bool:
    """Whether the name is that of a compressed file, and not of a compressed archive."""
    return path.suffix.lower() in OPENERS and Path(path.stem).suffix.lower() not in ("", ".tar")


def plain_name(path: Path) -> Path:
    """The name without the ending of the compression, if it has one."""
    return path.with_suffix("") if is_compressed(path) else path


def open_compressed(path: Path) -> IO[bytes]:
    """The bytes of the file inside."""
    opened: IO[bytes] = OPENERS[path.suffix.lower()](path)
    return opened


def allowed_bytes(path: Path) -> int:
    """What a compressed file or an archive may unpack to."""
    return min(MAX_BYTES, max(HARMLESS_BYTES, path.stat().st_size * MAX_RATIO))
