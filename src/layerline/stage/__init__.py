"""What every stage script does around its own work.

`run_stage` reads params.yaml, takes the checkout's lock, opens the journal, runs the work, writes
runs/<stage>.json, and turns every failure into one message and its exit code. Under a command that
runs the whole pipeline the script runs in a fork of its warm process, which has imported all.

    forkable.py            whether a fork may run a script
    forked_process.py      what a fork becomes, and does
    messages.py            what users read when something fails
    output_restoration.py  a failed stage's last outputs, restored
    protection.py          one stage at a time, none without its parent
    rank_launcher.py       a training on several processes
    run_journal.py         the journal of a stage's run
    stage_run.py           one run, from its params to its end
    surroundings.py        what a fork cannot take over
    warm_client.py         a stage in a fork of the warm process
    warm_fork.py           other work in such a fork
    warm_server.py         the warm process, which forks
    warm_start.py          how a command starts and ends it
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from layerline.stage.warm_client import run_warm

if TYPE_CHECKING:
    from layerline.artifacts import Workspace
    from layerline.config import Params
    from layerline.tracking.journal import Journal


@dataclass(frozen=True)
class Stage:
    """What a stage's own work receives."""

    name: str
    params: "Params"
    workspace: "Workspace"
    journal: "Journal"
    key: str  # names the MLflow run, whatever id the server gives it

    def report(self, text: str) -> None:
        """Print one line for the user."""
        print(f"{self.name}: {text}", flush=True)  # noqa: T201 - a stage reports on stdout


def run_stage(
    name: str,
    work: Callable[[Stage], None],
    load: "Callable[[Path], Params] | None" = None,
) -> int:
    """Run one stage in the current directory; return its exit code.

    Args:
        name: the stage's one word.
        work: what the stage does; it raises LayerlineError for what a user can mend.
        load: how params.yaml is read; by default `load_params`.
    """
    try:
        code = run_warm(name)
    except KeyboardInterrupt as error:
        from layerline.stage.stage_run import report_interrupt

        return report_interrupt(name, error)
    if code is not None:
        return code
    from layerline.stage.stage_run import run_here  # not at the top: a warm stage needs none of it

    return run_here(name, work, load)


def leave(code: int) -> NoReturn:
    """End the process at once: all is written, and taking torch apart would cost 0.3 to 0.9 s."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
