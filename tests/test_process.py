"""What is set in processes of our own."""

import os
import subprocess
import sys

import pytest

from layerline.process import usable_cores

FAULTS = """
import resource, sys
import torch
from layerline.process import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
torch.set_num_threads(1)
layers = [torch.nn.Linear(256, 256) for _ in range(2)]
x = torch.randn(65536, 256)

@torch.inference_mode()
def faults():
    [layers[1](layers[0](chunk).relu()) for chunk in x.split(2048)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    before = faults()
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_kept_memory_is_not_faulted_in_again() -> None:
    found = {}
    for what in ("keep", "return"):
        command = [sys.executable, "-c", FAULTS, what]
        found[what] = int(subprocess.run(command, capture_output=True, check=True).stdout)
    assert found["keep"] < found["return"] / 2


LOST = """
import os, signal, sys, time
from layerline.process import deliver_lost_interrupts
deliver_lost_interrupts()

class Ends(KeyboardInterrupt):
    pass

def terminate(number, frame):
    raise Ends

signal.signal(signal.SIGTERM, terminate)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

class Held:
    def __del__(self):
        os.kill(os.getpid(), signal.Signals[sys.argv[1]])
        time.sleep(1)

held = Held()
try:
    del held
    time.sleep(60)
except KeyboardInterrupt as error:
    print("interrupted by", type(error).__name__)
"""


@pytest.mark.parametrize(("name", "kind"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Ends")])
def test_a_signal_that_meets_a_destructor_interrupts_all_the_same(name: str, kind: str) -> None:
    command = [sys.executable, "-c", LOST, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.stdout, done.stderr) == (f"interrupted by {kind}\n", "")


def test_other_exceptions_of_destructors_are_shown_as_ever() -> None:
    code = LOST.replace("os.kill(os.getpid(), signal.Signals[sys.argv[1]])", "1 / 0").replace(
        "60", "0"
    )
    command = [sys.executable, "-c", code, "SIGINT"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert "ZeroDivisionError" in done.stderr


def test_cores_are_those_the_process_may_use(monkeypatch) -> None:
    assert usable_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert usable_cores() == os.cpu_count()
