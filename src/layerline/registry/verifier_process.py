"""The fresh process of `verifier`: loads versions through MLflow and predicts.

It is run by its path, not as a module, and imports nothing of layerline: a version must bring the
code it needs. One JSON request a line on stdin, one JSON answer a line on stdout; it ends when
stdin closes, whatever it is doing, so it never outlives its parent.
"""

import gc
import importlib
import json
import os
import queue
import sys
import threading
from typing import Any, BinaryIO

_OWN = "layerline"
_WARM_UP_ROWS, _TIMED_ROWS = 5, 31
_EARLY = (
    "mlflow.pyfunc",
    "pandas",
    "pyarrow.parquet",
    "pydantic",
    "ruamel.yaml",
    "safetensors.torch",
    "torch",
)


class DataError(Exception):
    """The parent recognises it by its name."""


def main() -> None:
    """Import what loading needs, then answer requests until stdin closes."""
    gc.set_threshold(100_000, 50, 100)  # see layerline.process
    # Libraries print; only answers may reach the parent's pipe.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    _prepare()
    # Only now, since the libraries' own compiled code is to be used: that of a version is not, for
    # it is covered by no hash.
    sys.pycache_prefix = os.path.join(os.getcwd(), "compiled")  # noqa: PTH109, PTH118
    while True:
        request = json.loads(requests.get())
        try:
            answer: dict[str, Any] = {"ok": True, **_predict(request)}
        except Exception as error:  # the parent decides what to do
            answer = {"ok": False, "kind": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer).encode() + b"\n")


def _listen(stdin: BinaryIO, requests: "queue.SimpleQueue[bytes]") -> None:
    try:
        for line in stdin:
            requests.put(line)
    finally:  # whatever ends it: nobody else would hear of the end
        os._exit(0)


def _prepare() -> None:
    """Import while the parent is still busy."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    for name in _EARLY:
        importlib.import_module(name)
    logging.getLogger("mlflow").setLevel(logging.ERROR)


def _predict(request: dict[str, Any]) -> dict[str, Any]:
    """Load `source`, predict the rows of the file `rows`, write them as Parquet to `output`.

    Without `output` single rows are timed instead.
    """
    import mlflow.pyfunc
    import numpy as np
    import pyarrow.parquet as pq
    import torch

    torch.set_num_threads(request["threads"])
    path = list(sys.path)
    try:
        model = mlflow.pyfunc.load_model(request["source"], suppress_warnings=True)
        if request["rows"].endswith(".npy"):
            rows = np.load(request["rows"], allow_pickle=False)
        else:
            # Without Arrow's threads, for which it may wait for ever where memory is short.
            with pq.ParquetFile(request["rows"], pre_buffer=False) as file:
                rows = file.read(use_threads=False).to_pandas(use_threads=False)
        _check(model.metadata.get_input_schema(), rows)
        if request["output"] is None:
            return {"milliseconds": _time_rows(model, rows)}
        # Later rows may violate an older version's schema; it is judged on them all the same.
        takes_any = model.metadata.get_params_schema() is not None
        params = {"any_value": True} if takes_any else None
        model.predict(rows, params).to_parquet(request["output"], index=False)
        return {}
    finally:
        # The next version brings its own code, perhaps of another release.
        sys.path[:] = path
        for name in [name for name in sys.modules if name.partition(".")[0] == _OWN]:
            del sys.modules[name]


def _time_rows(model: Any, rows: Any) -> float:
    """Milliseconds of one row, without MLflow's own checks: the median, after a few to warm up."""
    import statistics
    import time

    predict = model.unwrap_python_model().predict
    took = []
    for number in range(_WARM_UP_ROWS + _TIMED_ROWS):
        at = number % len(rows)
        start = time.perf_counter()
        predict(None, rows[at : at + 1])
        took.append(time.perf_counter() - start)
    return 1000 * statistics.median(took[_WARM_UP_ROWS:])


def _check(schema: Any, rows: Any) -> None:
    """Distinguish rows that the version cannot read at all from a version that fails."""
    if schema.is_tensor_spec():
        shape = tuple(getattr(rows, "to_numpy", lambda: rows)().shape[1:])
        if shape != schema.inputs[0].shape[1:]:
            wanted = schema.inputs[0].shape[1:]
            raise DataError(f"it reads images of shape {wanted}, the data have {shape}")
        return
    absent = [name for name in schema.input_names() if name not in getattr(rows, "columns", ())]
    if absent:
        raise DataError(f"column {absent[0]!r} is not in the data")


if __name__ == "__main__":
    main()
