"""What a user reads when a stage or a command fails."""

import contextlib
import errno
import json
import os
import sys
import traceback

from layerline.artifacts import Workspace
from layerline.errors import LayerlineError
from layerline.masking import masked

STAGES_FILE = "LAYERLINE_STAGES_FILE"


def tell(name: str, text: str) -> None:
    """Write one line to stderr."""
    print(f"{name}: {text}", file=sys.stderr, flush=True)  # noqa: T201


def leave_word(name: str, code: int, message: str = "") -> None:
    """Tell who started the pipeline how a stage ended: DVC hides the exit codes of its stages."""
    file = os.environ.get(STAGES_FILE)
    if file:
        word = {"stage": name, "exit_code": code, "message": masked(message)}
        with contextlib.suppress(OSError), open(file, "a", encoding="utf-8") as words:  # noqa: PTH123
            words.write(json.dumps(word) + "\n")


def tell_failure(name: str, error: LayerlineError) -> int:
    """Write the error's message; return its exit code. LAYERLINE_DEBUG=1 adds the traceback."""
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        traceback.print_exception(error)
    tell(name, f"error: {error}")
    leave_word(name, error.exit_code, str(error))
    return error.exit_code


def tell_defect(name: str, error: Exception, workspace: Workspace) -> int:
    """A defect of ours: say so in one line and keep the traceback where it can be sent from."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        tell(name, f"error: the disk is full ({error.filename}); make room, then run it again")
        return LayerlineError.exit_code
    leave_word(name, LayerlineError.exit_code, repr(error))
    text = "".join(traceback.format_exception(error))
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        sys.stderr.write(text)
    trace = workspace.root / ".layerline" / f"traceback-{name}.txt"
    with contextlib.suppress(OSError):  # a full disk may be the very reason
        trace.write_text(masked(text), encoding="utf-8")
    tell(name, f"error: a defect in Layerline, {error!r}; its traceback is in {trace}")
    return LayerlineError.exit_code
