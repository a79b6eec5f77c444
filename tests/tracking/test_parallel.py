"""Many processes at once on a store that is not there yet: every run arrives where it belongs."""

import subprocess
import sys

import pytest
from arrivals import check_arrivals, select

from layerline.tracking.flush import flush

STAGE = """
import sys
from pathlib import Path
from layerline.tracking.flush import flush
from layerline.tracking.journal import Dataset, Journal
home, number = Path(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
folder = home / ".layerline" / "journals"
about = {"key": f"key-{number}", "experiment": f"project-{number % 3}", "run_name": f"run-{number}"}
with Journal.create(folder, stage="train", **about) as journal:
    journal.params({"number": number})
    for step in range(40):
        journal.metrics({"loss": 1 / (step + number + 1)}, step=step)
    journal.dataset(Dataset(name="same", digest="same", source="s", context="training", n_rows=3))
with Journal.create(folder, stage="evaluate", continues=True, **about) as journal:
    journal.metrics({"test_accuracy": 0.9})
    journal.artifact(Path(sys.argv[3]))
print(flush(home, wait_seconds=20).errors)
"""


def start_together(home, report, n_processes):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", STAGE, str(home), str(number), str(report)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(n_processes)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0] * n_processes, outputs
    return [output.strip() for output, _ in outputs]


@pytest.mark.parametrize("n_processes", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_processes_at_once_on_an_empty_store(home, tmp_path, n_processes):
    report = tmp_path / "report.json"
    report.write_text("{}")
    assert start_together(home, report, n_processes) == ["()"] * n_processes
    assert flush(home).waiting == 0
    store = f"sqlite:///{home}/mlflow.db"
    assert check_arrivals(home, store) == n_processes * 41
    experiments = select(store, "SELECT name FROM experiments ORDER BY name")
    assert experiments == [("Default",), ("project-0",), ("project-1",), ("project-2",)]
    in_default = select(store, "SELECT count(*) FROM runs WHERE experiment_id = 0")
    assert in_default == [(0,)]
