"""Flushers that are killed: after each request in turn, and at random moments."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from layerline.tracking.journal import Dataset, Journal

# Children are forked after MLflow's import, which else takes most of their time. The first one of
# a home dies by SIGKILL right after its n-th request to the store, the second one does the rest.
CUT_AFTER_EACH_REQUEST = """
import os, signal, sys, tempfile
from pathlib import Path
from layerline.tracking.flush import flush
from layerline.tracking.store import open_client
open_client(Path(tempfile.mkdtemp())).search_experiments()
from mlflow import MlflowClient

REQUESTS = ("create_experiment", "create_run", "update_run", "log_batch", "log_inputs",
            "log_artifact", "set_terminated", "delete_tag")

def cut_after(n_requests):
    def wrap(request):
        def wrapped(*arguments, **options):
            nonlocal n_requests
            answer = request(*arguments, **options)
            n_requests -= 1
            if not n_requests:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer
        return wrapped
    for name in REQUESTS:
        setattr(MlflowClient, name, wrap(getattr(MlflowClient, name)))

def in_child(home, n_requests):
    pid = os.fork()
    if not pid:
        cut_after(n_requests)
        os._exit(0 if flush(home).errors == () else 3)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

for home in map(Path, sys.argv[1:]):
    first = in_child(home, int(home.name))
    print(first, in_child(home, 0) if first else 0)
"""

KILL_AT_RANDOM = """
import os, random, signal, sys, tempfile, time
from pathlib import Path
from layerline.tracking.flush import flush
from layerline.tracking.store import open_client
open_client(Path(tempfile.mkdtemp())).search_experiments()
home, seed, n_kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
while n_kills:
    pid = os.fork()
    if not pid:
        os._exit(len(flush(home).errors))
    time.sleep(chance.uniform(0, 1.0))
    os.kill(pid, signal.SIGKILL)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != -9:
        break
    n_kills -= 1
print(flush(home))
"""


def write_journals(home: Path, n_steps: int) -> None:
    folder = home / ".layerline" / "journals"
    plot = home / "plot.png"
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_bytes(b"png")
    data = {"experiment": "digits-data", "stage": "scale", "run_name": "scale"}
    with Journal.create(folder, key="data-1", **data) as journal:
        journal.tags({"n_rows": 3})
    train = {"key": "train-1", "experiment": "digits", "run_name": "train"}
    with Journal.create(folder, stage="train", **train) as journal:
        journal.link("layerline.run.scale", "data-1")
        journal.params({f"p{number}": number for number in range(120)})
        for step in range(n_steps):
            journal.metrics({"loss": 0.5, "accuracy": 0.5}, step=step)
        journal.artifact(plot, "plots")
        journal.dataset(Dataset(name="d", digest="e", source="s", context="training", n_rows=3))
    with Journal.create(folder, stage="evaluate", continues=True, **train) as journal:
        journal.params({"p0": 1})
        journal.metrics({"test/accuracy": 0.9})


def content(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a store holds, without ids and times, which differ between homes."""
    selects = {
        "runs": "SELECT name, status, end_time >= start_time FROM runs",
        "metrics": "SELECT name, key, value, step, count(*) FROM metrics JOIN runs USING"
        " (run_uuid) GROUP BY run_uuid, key, step",
        "params": "SELECT name, key, value FROM params JOIN runs USING (run_uuid)",
        "tags": "SELECT name, key, CASE WHEN key = 'mlflow.layerline.run.scale' THEN"
        " (SELECT name FROM runs WHERE run_uuid = value) ELSE value END"
        " FROM tags JOIN runs USING (run_uuid)",
        "inputs": "SELECT name, count(*) FROM inputs JOIN runs ON destination_id = run_uuid",
    }
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        found = {name: sorted(connection.execute(sql)) for name, sql in selects.items()}
    files = (home / "mlartifacts").rglob("*")
    found["artifacts"] = sorted((file.name,) for file in files if file.is_file())
    return found


N_REQUESTS = 15  # that a flush of these journals makes


@pytest.mark.parametrize(
    "cuts",
    [
        # After: a run is made, its events are sent, its artifact is, its status is set.
        pytest.param([2, 3, 7, 9, 12], id="some"),
        pytest.param(range(1, N_REQUESTS + 1), id="all", marks=pytest.mark.slow),
    ],
)
def test_cut_after_a_request_nothing_is_lost_or_doubled(tmp_path, python, cuts):
    write_journals(tmp_path / "home", n_steps=3)
    homes = [tmp_path / str(cut) for cut in [*cuts, N_REQUESTS + 1]]
    for home in homes:
        shutil.copytree(tmp_path / "home", home)
    codes = python(CUT_AFTER_EACH_REQUEST, *homes).stdout.splitlines()
    assert codes == ["-9 0"] * len(cuts) + ["0 0"]

    uncut = content(homes[-1])
    assert uncut["runs"] == [("scale", "FINISHED", 1), ("train", "FINISHED", 1)]
    assert len(uncut["metrics"]) == 7
    assert len(uncut["params"]) == 120
    assert ("train", "mlflow.layerline.run.scale", "scale") in uncut["tags"]
    assert (uncut["inputs"], uncut["artifacts"]) == ([("train", 1)], [("plot.png",)])
    for home in homes[:-1]:
        assert content(home) == uncut


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(10))
def test_killed_at_random_moments(home, python, round_):
    write_journals(home, n_steps=3000)
    seed = random.SystemRandom().randrange(1000)
    done = python(KILL_AT_RANDOM, home, seed, 3).stdout
    assert done.rpartition("waiting=")[2].startswith("0, errors=()"), f"seed {seed}: {done}"
    found = content(home)
    assert [run[:2] for run in found["runs"]] == [("scale", "FINISHED"), ("train", "FINISHED")]
    assert len(found["metrics"]) == 6001, f"seed {seed}"
    assert {row[-1] for row in found["metrics"]} == {1}, f"seed {seed}"
    assert not [tag for tag in found["tags"] if "cursor" in str(tag[1])]
