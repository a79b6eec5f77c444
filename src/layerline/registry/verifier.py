"""A version is loaded in a fresh process and predicts, before it may be promoted.

`start_verifier` starts the process early: importing MLflow and torch takes seconds, while the
parent logs the model. The same process loads challenger and champion, each with the code that
travels with it. What it runs is in verifier_process.py.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from safetensors import safe_open

from layerline.artifacts.temporary import temporary_folder
from layerline.errors import DataError, LayerlineError, SourceError, TrackingError
from layerline.evaluation.decision import PLAIN, Decision
from layerline.evaluation.target_predictions import PREDICTION, PROBABILITY
from layerline.stage.warm_fork import WarmFork, start_fork
from layerline.tables.storage import read_parquet, write_table
from layerline.text import plural
from layerline.tracking.store import tracking_uri

if TYPE_CHECKING:
    # At run time it would import torch before the fresh process is started.
    from layerline.model.bundle import Rows

WAIT_SECONDS = 300.0
TOLERANCE = 1e-6  # of probabilities; of standardised units for numbers ten times as much
_ROUNDING = 2.0**-23  # of float32, which all networks compute in
_TAIL = 2000


class Verifier:
    """The running process; made by `start_verifier`."""

    def __init__(
        self, process: "subprocess.Popen[bytes] | WarmFork", folder: Path, threads: int
    ) -> None:
        self._process = process
        self._folder = folder
        self._threads = threads
        self._n_requests = 0

    def predict(
        self, uri: str, rows: Path, source: str | None = None, wait_seconds: float = WAIT_SECONDS
    ) -> pd.DataFrame:
        """Load the version `uri` through MLflow and predict the rows of a file.

        Args:
            uri: the version; messages name it.
            rows: the file.
            source: the folder of the version's files, if known; otherwise the fresh process asks
                MLflow's store, which takes a second of imports.
            wait_seconds: how long to wait for the answer.

        Raises:
            SourceError: its bytes are not those that were registered.
            DataError: it cannot read these rows.
            TrackingError: it does not load, or does not answer in time.
        """
        output = self._folder / f"predictions-{self._n_requests}.parquet"
        request = {"source": source or uri, "rows": str(rows), "output": str(output)}
        self._ask(uri, request, wait_seconds)
        return read_parquet(output)

    def time_row(
        self, uri: str, rows: Path, source: str | None = None, wait_seconds: float = WAIT_SECONDS
    ) -> float:
        """Milliseconds that one row takes in the fresh process: the median of several rows.

        Raises:
            LayerlineError: as `predict`.
        """
        request = {"source": source or uri, "rows": str(rows), "output": None}
        return float(self._ask(uri, request, wait_seconds)["milliseconds"])

    def _ask(self, uri: str, request: dict[str, Any], wait_seconds: float) -> dict[str, Any]:
        self._n_requests += 1
        request["threads"] = self._threads
        # A process that ended shows as the end of its answers.
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        # No thread reads: one that died for want of memory would leave this waiting.
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], wait_seconds)[0]:
            self._process.kill()
            raise TrackingError(
                f"{uri}: made no predictions within {wait_seconds:.0f} s; nothing was promoted; "
                "if the artifact store is slow, run `dvc repro` again"
            )
        line = self._process.stdout.readline()
        if not line:
            raise TrackingError(
                f"{uri}: the process that loads it ended (exit code {self._process.wait()}); "
                f"nothing was promoted; {self._stderr_tail()}"
            )
        return _read_answer(uri, json.loads(line))

    def _stderr_tail(self) -> str:
        text = (self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        return text[-_TAIL:].strip() or "it printed nothing"


def _read_answer(uri: str, answer: dict[str, Any]) -> dict[str, Any]:
    if answer["ok"]:
        return answer
    message = f"{uri}: {answer['message']}"
    kinds: dict[str, type[LayerlineError]] = {"SourceError": SourceError, "DataError": DataError}
    kind = kinds.get(answer["kind"])
    if kind is None and "No such artifact" in answer["message"]:
        kind, message = SourceError, f"{uri}: its files are missing from the artifact store"
    if kind is None:
        raise TrackingError(f"{uri}: cannot be loaded: {answer['kind']}: {answer['message']}")
    raise kind(message)


@contextlib.contextmanager
def start_verifier(home: Path, threads: int = 1) -> Iterator[Verifier]:
    """Start the fresh process; it ends with the block, and whenever this process ends.

    Args:
        home: the main checkout, whose store the versions are in.
        threads: torch threads, as many as computed the expected predictions.
    """
    script = Path(__file__).with_name("verifier_process.py")
    with temporary_folder() as folder:
        with (folder / "stderr.txt").open("wb") as stderr:
            process = _start(script, folder, stderr.fileno(), _environment(home))
        with process:
            try:
                yield Verifier(process, folder, threads)
            finally:
                process.kill()


def _start(
    script: Path, folder: Path, stderr: int, environment: dict[str, str]
) -> "subprocess.Popen[bytes] | WarmFork":
    request = {"script": str(script), "folder": str(folder), "without": "layerline"}
    return start_fork(environment, request, stderr) or subprocess.Popen(
        [sys.executable, "-P", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,  # an answer must not wait in a buffer that `select` does not see
        cwd=folder,
        env=environment,
    )


def _environment(home: Path) -> dict[str, str]:
    uri = tracking_uri(home)
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        # Loading must leave no compiled files in the artifact store.
        "PYTHONDONTWRITEBYTECODE": "1",
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_REGISTRY_URI": uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }


def write_rows(folder: Path, rows: "Rows") -> Path:
    """Write raw rows to a file that the fresh process reads."""
    if isinstance(rows, pd.DataFrame):
        path = folder / "rows.parquet"
        write_table(path, rows)
    else:
        path = folder / "rows.npy"
        np.save(path, rows, allow_pickle=False)
    return path


def tolerance_of(weights: Path, is_number: bool, target_scale: float) -> float:
    """The allowed difference: of probabilities, or in the target's unit.

    Other rows in the batch change the order of sums, by a rounding in each layer: deep networks are
    allowed one for each of theirs.

    Args:
        weights: the network's, network.safetensors.
        is_number: whether the target is a number.
        target_scale: its unit.
    """
    with safe_open(weights, "numpy") as file:
        n_layers = sum(len(file.get_slice(name).get_shape()) > 1 for name in file.keys())  # noqa: SIM118
    allowed = max(TOLERANCE, _ROUNDING * n_layers)
    return allowed * (10 * target_scale if is_number else 1)


def require_same(
    uri: str,
    expected: pd.DataFrame,
    found: pd.DataFrame,
    tolerance: float,
    decision: Decision = PLAIN,
    scales: Mapping[str, float] | None = None,
) -> None:
    """Refuse a version whose predictions differ from those recorded.

    Of several targets `scales` has the standardised unit of each column, and `tolerance` is in it.

    Raises:
        LayerlineError: names the column, the row and both values.
    """
    if list(expected.columns) != list(found.columns) or len(expected) != len(found):
        raise LayerlineError(
            f"{uri}: loaded in a fresh process it returns {plural(len(found), 'row')} of "
            f"{list(found.columns)}, expected {len(expected)} of {list(expected.columns)}; "
            "nothing was promoted"
        )
    for name in expected.columns:
        wanted, got = expected[name].to_numpy(), found[name].to_numpy()
        if wanted.dtype.kind == "f":
            gaps = np.abs(wanted - got.astype(np.float64))
            differs = ~(gaps <= tolerance * (scales or {}).get(name, 1.0))
        elif scales:
            shares = expected[f"{PROBABILITY}{name.removeprefix(PREDICTION)}"].to_numpy()
            differs = (wanted != got) & (np.abs(shares - 0.5) > 2 * tolerance)
        else:
            differs = _is_other_class(expected, found, tolerance, decision)
        if differs.any():
            row = int(np.flatnonzero(differs)[0])
            raise LayerlineError(
                f"{uri}: loaded in a fresh process it predicts {name} = {got[row]} for row "
                f"{row + 1}, recorded is {wanted[row]}; nothing was promoted"
            )


def _is_other_class(
    expected: pd.DataFrame, found: pd.DataFrame, tolerance: float, decision: Decision
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Rows with another class, unless the decision was a tie."""
    differs = (expected["prediction"] != found["prediction"]).to_numpy()
    shares = [name for name in expected.columns if name.startswith(PROBABILITY)]
    ties = decision.margins(expected[shares].to_numpy()) <= 2 * tolerance
    return np.asarray(differs & ~ties, dtype=np.bool_)
