"""A training on several processes of this machine: torch's elastic agent starts them and watches.

The agent runs this very script once a rank, with the variables that torchrun sets. It restarts all
of them when one was killed; whatever a rank reports as a mistake of the user ends the stage.
"""

import logging
import os
import signal
import sys
import uuid

from layerline.config import DistributedSection
from layerline.errors import ParamsError, Problem
from layerline.process import usable_cores
from layerline.stage.messages import print_error, record_stage_end
from layerline.stage.protection import ends_with_parent
from layerline.text import plural

RANKS_A_CORE = 4
RANK_SECONDS = 20  # that a rank has to end in order, when another one is gone


def run_ranks(name: str, asked: DistributedSection) -> int:
    """Run this script on as many ranks as are asked for; return the stage's exit code.

    Raises:
        ParamsError: they are so many that they would stall the machine.
    """
    _require_cores(asked)
    from torch.distributed.elastic.multiprocessing.api import SignalException

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # one message, not forty
    n_restarts = 0
    try:
        with ends_with_parent():
            while (code := _run_once(asked.processes)) < 0 and n_restarts < asked.restarts:
                n_restarts += 1
                print_error(
                    name,
                    f"a rank was ended by signal {-code}; all are started again, from the last "
                    f"snapshot (restart {n_restarts} of {asked.restarts})",
                )
    except SignalException as error:
        return 128 + int(error.sigval)  # rank 0 has reported it
    except KeyboardInterrupt:
        return 130
    if code < 0:
        message = (
            f"error: a rank was ended by signal {-code}, after {n_restarts} restarts; is memory "
            "short? The next run resumes from the last snapshot"
        )
        print_error(name, message)
        record_stage_end(name, 1, message)
        return 1
    return code


def _require_cores(asked: DistributedSection) -> None:
    """Each rank is a process that imports torch; a few may share a core, as tests do."""
    n_cores = usable_cores()
    if asked.processes > RANKS_A_CORE * n_cores:
        message = (
            f"is {asked.processes}, and this machine has {plural(n_cores, 'core')} for them; lower "
            f"it to {n_cores}, or start ranks on several machines (`layerline cluster`)"
        )
        raise ParamsError([Problem("train.distributed.processes", message)])


def _run_once(n_ranks: int) -> int:
    """Exit code 0, the code of a rank that failed, or minus the signal that ended one."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=n_ranks,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        shutdown_timeout=RANK_SECONDS,
    )
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # until a rank knows its network
    try:
        elastic_launch(config, sys.executable)(*sys.orig_argv[1:])
    except ChildFailedError as error:
        _, first = error.get_first_failure()
        return _judge([first.exitcode, *(each.exitcode for each in error.failures.values())])
    return 0


def _judge(codes: list[int]) -> int:
    """What the ranks' exit codes, those of the first one first, mean for the stage.

    One rank's end is every rank's: the agent sends SIGTERM, and some lose their connection (1).
    """
    mistakes = [code for code in codes if 1 < code < 128]
    signals = [code for code in codes if code < 0 and code != -signal.SIGTERM]
    return next(iter([*mistakes, *signals]), abs(codes[0]))
