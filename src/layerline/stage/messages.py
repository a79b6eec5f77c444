"""What a user reads when a stage or a command fails."""

import contextlib
import errno
import os
import sys
import traceback

from layerline.artifacts import Workspace
from layerline.errors import LayerlineError
from layerline.masking import masked


def tell(name: str, text: str) -> None:
    """Write one line to stderr."""
    print(f"{name}: {text}", file=sys.stderr, flush=True)  # noqa: T201


def tell_failure(name: str, error: LayerlineError) -> int:
    """Write the error's message; return its exit code. LAYERLINE_DEBUG=1 adds the traceback."""
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        traceback.print_exception(error)
    tell(name, f"error: {error}")
    return error.exit_code


def tell_defect(name: str, error: Exception, workspace: Workspace) -> int:
    """A defect of ours: say so in one line and keep the traceback where it can be sent from."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        tell(name, f"error: the disk is full ({error.filename}); make room, then run it again")
        return LayerlineError.exit_code
    text = "".join(traceback.format_exception(error))
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        sys.stderr.write(text)
    trace = workspace.root / ".layerline" / f"traceback-{name}.txt"
    with contextlib.suppress(OSError):  # a full disk may be the very reason
        trace.write_text(masked(text), encoding="utf-8")
    tell(name, f"error: a defect in Layerline, {error!r}; its traceback is in {trace}")
    return LayerlineError.exit_code
