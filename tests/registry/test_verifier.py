import os
import signal
import subprocess
import textwrap

import numpy as np
import pandas as pd
import psutil
import pytest
from safetensors.numpy import save_file

from layerline.artifacts import write_json
from layerline.errors import DataError, LayerlineError, SourceError, TrackingError
from layerline.evaluation.decision import PLAIN, Decision
from layerline.registry.verifier import Verifier, require_same, start_verifier, tolerance_of


@pytest.fixture
def rows(tmp_path):
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.fixture
def stand_in(tmp_path):
    """A process of ours in place of the verifier, so that it can fail in every way, at once."""
    processes = []

    def start(code):
        stderr = (tmp_path / "stderr.txt").open("wb")
        process = subprocess.Popen(
            ["/bin/sh", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        stderr.close()
        processes.append(process)
        return Verifier(process, tmp_path, threads=1)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_process_that_ends_is_reported_with_its_last_output(stand_in, rows):
    verifier = stand_in("read line; echo 'out of memory' >&2; kill -9 $$")
    with pytest.raises(
        TrackingError, match=r"ended \(exit code -9\); nothing was promoted; out of"
    ):
        verifier.predict("models:/flowers/1", rows)


def test_a_process_that_is_gone_already_is_reported(stand_in, rows):
    verifier = stand_in("exit 3")
    verifier._process.wait()
    with pytest.raises(TrackingError, match=r"ended \(exit code 3\)"):
        verifier.predict("models:/flowers/1", rows)


@pytest.mark.parametrize(("n_layers", "allowed"), [(3, 1e-6), (20, 20 * 2.0**-23)])
def test_deep_networks_are_allowed_a_rounding_in_each_layer(n_layers, allowed, tmp_path):
    weights = {f"{number}.weight": np.zeros((2, 2), np.float32) for number in range(n_layers)}
    save_file(weights | {"bias": np.zeros(2, np.float32)}, tmp_path / "network.safetensors")
    assert tolerance_of(tmp_path / "network.safetensors", False, 3.0) == allowed
    assert tolerance_of(tmp_path / "network.safetensors", True, 3.0) == 30 * allowed


def test_waiting_is_bounded_and_leaves_no_process(stand_in, rows):
    verifier = stand_in("read line; exec sleep 600")
    with pytest.raises(TrackingError, match="no predictions within 0 s"):
        verifier.predict("models:/flowers/1", rows, wait_seconds=0.1)
    assert verifier._process.wait(timeout=120) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("kind", "error"),
    [("SourceError", SourceError), ("DataError", DataError), ("ImportError", TrackingError)],
)
def test_what_went_wrong_there_is_the_same_error_here(kind, error, stand_in, rows):
    answer = f'{{"ok": false, "kind": "{kind}", "message": "because"}}'
    verifier = stand_in(f"read line; echo '{answer}'; read line")
    with pytest.raises(error, match=r"models:/flowers/1: .*because"):
        verifier.predict("models:/flowers/1", rows)


def test_a_version_that_does_not_exist_is_reported(store, rows):
    with pytest.raises(TrackingError, match="models:/nobody/1: cannot be loaded: MlflowException"):
        store.verifier.predict("models:/nobody/1", rows)


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path, python):
    code = f"""
        import os, signal
        from pathlib import Path
        from layerline.registry.verifier import start_verifier
        with start_verifier(Path({str(tmp_path)!r})) as verifier:
            print(verifier._process.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [python, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    try:
        psutil.Process(pid).wait(timeout=120)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        os.kill(pid, signal.SIGKILL)
        raise


def test_it_ends_with_the_block_also_on_errors(tmp_path):
    with pytest.raises(KeyboardInterrupt), start_verifier(tmp_path) as verifier:
        raise KeyboardInterrupt
    assert verifier._process.returncode == -signal.SIGKILL


def classes(probabilities):
    table = pd.DataFrame(probabilities, columns=["probability_a", "probability_b"])
    table.insert(0, "prediction", np.where(table["probability_a"] >= 0.5, "a", "b"))
    return table


def test_predictions_must_be_the_same():
    expected = classes([[0.9, 0.1], [0.5, 0.5]])
    require_same("m", expected, expected, 1e-6)
    require_same("m", expected, classes([[0.9, 0.1], [0.4999999, 0.5000001]]), 1e-6)
    with pytest.raises(LayerlineError, match=r"probability_a = 0.8 for row 1, recorded is 0.9"):
        require_same("m", expected, classes([[0.8, 0.2], [0.5, 0.5]]), 1e-6)
    with pytest.raises(LayerlineError, match="prediction = b for row 1, recorded is a"):
        require_same("m", expected, expected.assign(prediction="b"), 1e-6)
    with pytest.raises(LayerlineError, match="returns 1 row of"):
        require_same("m", expected, expected[:1], 1e-6)
    numbers = pd.DataFrame({"prediction": [1.0]})
    with pytest.raises(LayerlineError, match="prediction = nan for row 1"):
        require_same("m", numbers, numbers * np.nan, 1e-6)


def test_what_the_verifier_predicts_is_what_was_bundled(store, made, tmp_path):
    facts = store.register(made("numbers"), "verified", tmp_path / "w")
    write_json(tmp_path / "facts.json", facts)  # JSON can hold all of it
    assert facts["promoted"]
    assert facts["metric"] == "rmse"
    assert facts["n_test_rows"] == len(np.load(made("numbers").workspace.scaled / "test_y.npy"))


def test_a_row_on_the_threshold_may_fall_on_either_side():
    expected = pd.DataFrame(
        {
            "prediction": ["no", "yes"],
            "probability_no": [0.7, 0.2],
            "probability_yes": [0.3, 0.8],
            "in_set_no": [True, True],  # regions are no probabilities
            "in_set_yes": [True, True],
        }
    )
    found = expected.assign(prediction=["yes", "yes"])
    require_same("models:/flowers/1", expected, found, 1e-6, Decision(threshold=0.3))
    with pytest.raises(LayerlineError, match="predicts prediction = yes for row 1"):
        require_same("models:/flowers/1", expected, found, 1e-6, Decision(threshold=0.4))
    require_same("models:/flowers/1", expected, found, 1e-6, Decision(costs=((0, 3.0), (7.0, 0))))
    with pytest.raises(LayerlineError, match="predicts prediction = yes for row 1"):
        require_same("models:/flowers/1", expected, found, 1e-6, PLAIN)
