"""stdout and stderr of this process, masked and safe for any encoding."""

import io
import sys
from typing import Any, TextIO

from layerline.masking.text import masked


class _MaskedStream:
    """A text stream that masks what is written to it, and is the stream itself otherwise."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(masked(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_output() -> None:
    """Mask what this process, and any library in it, writes to stdout and stderr from now on.

    Permanently, not for a block: a traceback that ends the process comes last. Characters that the
    encoding of the terminal or the log cannot express (… in ASCII) are written as escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, _MaskedStream):
        sys.stdout, sys.stderr = _MaskedStream(sys.stdout), _MaskedStream(sys.stderr)
