"""The messages a user reads when a stage or a command fails, and the record of how stages ended."""

import contextlib
import json
import os
import sys
import traceback

from layerline.artifacts import Workspace
from layerline.errors import LayerlineError, machine_problem
from layerline.masking import masked

STAGES_FILE = "LAYERLINE_STAGES_FILE"


def print_error(name: str, text: str) -> None:
    """Write one line to stderr."""
    print(f"{name}: {text}", file=sys.stderr, flush=True)  # noqa: T201


def record_stage_end(name: str, code: int, message: str = "") -> None:
    """Record for whoever started the pipeline how a stage ended: DVC hides its exit code."""
    file = os.environ.get(STAGES_FILE)
    if file:
        record = {"stage": name, "exit_code": code, "message": masked(message)}
        with contextlib.suppress(OSError), open(file, "a", encoding="utf-8") as records:  # noqa: PTH123
            records.write(json.dumps(record) + "\n")


def report_failure(name: str, error: LayerlineError) -> int:
    """Write the error's message; return its exit code. LAYERLINE_DEBUG=1 adds the traceback."""
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        traceback.print_exception(error)
    print_error(name, f"error: {error}")
    record_stage_end(name, error.exit_code, str(error))
    return error.exit_code


def report_defect(name: str, error: Exception, workspace: Workspace) -> int:
    """Report a defect of ours in one line; keep its traceback in a file that can be sent."""
    if problem := machine_problem(error):
        return report_failure(name, problem)
    record_stage_end(name, LayerlineError.exit_code, repr(error))
    text = "".join(traceback.format_exception(error))
    if os.environ.get("LAYERLINE_DEBUG") == "1":
        sys.stderr.write(text)
    trace = workspace.root / ".layerline" / f"traceback-{name}.txt"
    with contextlib.suppress(OSError):  # a full disk may be the very reason
        trace.write_text(masked(text), encoding="utf-8")
    print_error(name, f"error: a defect in Layerline, {error!r}; its traceback is in {trace}")
    return LayerlineError.exit_code
