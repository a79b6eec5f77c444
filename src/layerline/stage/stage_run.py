"""One run of a stage: params, lock, journal, its own work, and how it ended."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from layerline.artifacts import STAGES, Workspace, write_json
from layerline.config import Params, RankPlace, load_params, read_rank_place
from layerline.errors import BusyError, LayerlineError, TrackingError
from layerline.masking import mask_output
from layerline.own_code import unwatched_files
from layerline.process import collect_rarely, deliver_lost_interrupts
from layerline.stage import Stage
from layerline.stage.messages import (
    print_error,
    record_stage_end,
    report_defect,
    report_failure,
)
from layerline.stage.output_restoration import restore_outputs
from layerline.stage.protection import Terminated, checkout_lock, ends_with_parent
from layerline.stage.rank_launcher import run_ranks
from layerline.stage.run_journal import flush_now, open_journal
from layerline.tracking.final_flush import start_final_flush
from layerline.tracking.journal import Status
from layerline.tracking.restored_stages import this_repro
from layerline.tracking.tracking_switch import NoJournal

REPORT_SECONDS = 10.0  # that a machine's first rank has to report what is every rank's mistake


class _SilentStage(Stage):
    def report(self, text: str) -> None:
        """Rank 0 reports the same."""


def run_here(
    name: str,
    work: Callable[[Stage], None],
    load: Callable[[Path], Params] | None = None,
) -> int:
    """Run one stage in this process; arguments and exit code are those of `run_stage`."""
    mask_output()
    collect_rarely()
    deliver_lost_interrupts()
    workspace = Workspace(Path())
    try:
        params = (load or load_params)(workspace.params)
        place = read_rank_place()
        asked = params.train.distributed
        if place is None and name == "train" and asked != "auto" and asked.processes > 1:
            return run_ranks(name, asked)
        if place is not None and place.rank > 0:
            return _run_beside(name, work, params, place)
        with checkout_lock(workspace), ends_with_parent():
            return _run(name, work, params, workspace)
    except BusyError as error:
        return report_failure(name, error)
    except LayerlineError as error:
        code = report_failure(name, error)
        restore_outputs(name, workspace)
        return code
    except KeyboardInterrupt as error:
        return report_interrupt(name, error)
    except Exception as error:  # a disk that cannot be written, before there is a journal
        return report_defect(name, error, workspace)


def _run_beside(name: str, work: Callable[[Stage], None], params: Params, place: RankPlace) -> int:
    """Run a rank of a training that is not the first, which has the lock and the journal.

    A mistake of the user is the same for every rank: one of each machine reports it, whose end ends
    the others. Only what stays one rank's alone is reported by that one, later.
    """
    workspace = Workspace(Path())
    try:
        with ends_with_parent():
            work(_SilentStage(name, params, workspace, NoJournal(""), ""))
    except KeyboardInterrupt as error:
        return 143 if isinstance(error, Terminated) else 130
    except LayerlineError as error:
        if place.local_rank > 0:
            time.sleep(REPORT_SECONDS)
        print_error(f"{name} (rank {place.rank})", f"error: {error}")
        return error.exit_code
    except Exception as error:
        return report_defect(f"{name}-rank-{place.rank}", error, workspace)
    return 0


def report_interrupt(name: str, error: KeyboardInterrupt) -> int:
    """Report a stage that a signal ended; return its exit code."""
    code = 143 if isinstance(error, Terminated) else 130
    message = "interrupted; earlier results are unchanged"
    print_error(name, message)
    record_stage_end(name, code, message)
    return code


def _run(name: str, work: Callable[[Stage], None], params: Params, workspace: Workspace) -> int:
    journal = open_journal(name, params, workspace)
    start_final_flush(workspace.home)
    stage = Stage(name, params, workspace, journal, journal.key)
    status: Status
    status, message, code = "FINISHED", "", 0
    try:
        work(stage)
        for file in unwatched_files(workspace.root, params, name):
            stage.report(f"note: DVC does not watch {file} for changes yet; run `layerline watch`")
        write_json(workspace.run_file(name), _run_facts(stage))
        record_stage_end(name, 0)
    except KeyboardInterrupt as error:
        status, message, code = "KILLED", "interrupted", report_interrupt(name, error)
    except LayerlineError as error:
        status, message, code = "FAILED", str(error), report_failure(name, error)
    except Exception as error:
        status, message, code = "FAILED", repr(error), report_defect(name, error, workspace)
    journal.end(status, message)
    if code and restore_outputs(name, workspace):
        print_error(name, "the outputs of its last successful run are back in place")
    if name == STAGES[-1] or (code and status != "KILLED"):
        # No stage follows that would flush. That the store is away is reported once.
        flush_now(workspace, is_reported=code == TrackingError.exit_code)
    return code


def _run_facts(stage: Stage) -> dict[str, Any]:
    repro = this_repro()  # marks a stage that ran, as opposed to one restored from DVC's cache
    facts = {"stage": stage.name, "key": stage.key, "project": stage.params.project}
    return facts | ({"repro": repro.name} if repro else {})
