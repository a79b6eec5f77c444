"""Layerline: train, compare, register and keep retraining multilayer perceptrons.

The package is layered; imports run one way (see `[tool.importlinter]` in pyproject.toml):
cli, stage -> registry, tracking, evaluation -> training -> networks, data ->
config, artifacts, errors, lookup.
"""

import os

# OpenMP threads that spin while they wait make two threads up to 70 times slower on a busy machine;
# threads that sleep at once are woken too slowly for the small products of a network (two threads
# slower than one). So they spin for some microseconds, then sleep. It is read once, when torch
# loads its runtime: it has to stand here.
if "OMP_WAIT_POLICY" not in os.environ:  # that would overrule the count
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
# Read when CUDA starts: without it cuBLAS may sum in another order at each run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

__version__ = "0.1.0"
