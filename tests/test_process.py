"""What is set in processes of our own."""

import subprocess
import sys

import pytest

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
