"""Layerline: train, compare, register and keep retraining multilayer perceptrons.

Imports run one way, from the bottom of this list to the top; see `[tool.importlinter]` in
pyproject.toml.

errors       messages for users, exit codes
masking      secrets in text
process      parent, threads, memory of processes
text         numbers and lists in messages
value_forms  forms of values, in words
wrong_values pydantic's errors as problems
lookup       tables of components, option schemas
vision       torchvision beside torch
kernels/     hand-written speed, one switch
rendering/   reports as Markdown and HTML
config/      params.yaml as typed sections
artifacts/   where artifacts are, atomic writes
own_code     components in the user's project
columns/     what one value means, everywhere
tables/      data/raw and data/validated, read, written
networks/    one architecture per file
tracking/    the journal, replayed into MLflow
stage/       lock, messages, exit code
sources/     one source per file
validation/  rules, schema, report
scaling/     splits and transforms
training/    one loop, and its parts
evaluation/  metrics, intervals, calibration, model card
model/       what users predict with
registry/    gate, promotion, verification
runs/        runs listed, explained, compared
origins/     where known weights come from
projects/    init, checks of components
drift/       new rows against training rows
studies/     questions that take many trainings
retraining/  the scheduled job
serving/     the HTTP server
explorer/    a network as an interactive page
estimators/  fit, load and run; scikit-learn
cli/         the command line
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerline.estimators.fitted_model import FittedModel, Predictor
    from layerline.estimators.frame_training import fit
    from layerline.estimators.model_source import load
    from layerline.estimators.project_run import ProjectRun, run
    from layerline.estimators.scikit_learn import LayerlineClassifier, LayerlineRegressor

# OpenMP threads that spin while they wait make two threads up to 70 times slower on a busy machine;
# threads that sleep at once are woken too slowly for the small products of a network (two threads
# slower than one). So they spin for some microseconds, then sleep. It is read once, when torch
# loads its runtime: it has to stand here.
if "OMP_WAIT_POLICY" not in os.environ:  # that would overrule the count
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
# Read when CUDA starts: without it cuBLAS may sum in another order at each run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

__version__ = "0.1.0"

# Looked up when they are used: whoever imports a room of this package waits for nothing of these.
_PLACES = {
    "FittedModel": "fitted_model",
    "LayerlineClassifier": "scikit_learn",
    "LayerlineRegressor": "scikit_learn",
    "Predictor": "fitted_model",
    "ProjectRun": "project_run",
    "fit": "frame_training",
    "load": "model_source",
    "run": "project_run",
}
__all__ = [
    "FittedModel",
    "LayerlineClassifier",
    "LayerlineRegressor",
    "Predictor",
    "ProjectRun",
    "fit",
    "load",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.estimators.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
