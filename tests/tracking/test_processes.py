"""The priority of what runs beside a training."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from layerline.tracking.processes import wall_clock_start

SCRIPT = """
import os
from pathlib import Path
from layerline.tracking.processes import lower_priority
lower_priority()
print(os.nice(0), Path("/proc/self/autogroup").read_text() if {reads} else "")
"""


def priority(*, reads: bool) -> str:
    """What a process in a session of its own, as the flusher is, says of itself."""
    command = [sys.executable, "-c", SCRIPT.format(reads=reads)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, start_new_session=True
    ).stdout.strip()


def test_the_process_goes_last_in_its_session():
    assert priority(reads=False).split() == ["19"]


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no autogroups here")
def test_its_session_goes_last_among_the_sessions():
    assert priority(reads=True).endswith("nice 19")


def test_a_process_started_when_it_did_to_a_tick():
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as child:
        after = time.time()
        started = wall_clock_start(child.pid)
        child.kill()
    assert before - 0.05 <= started <= after + 0.05
