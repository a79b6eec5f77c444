"""Nothing that is read can run code: every process of the pipeline and its commands is watched."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults.bench import Bench, copy_bench, require_no_defect
from faults.longer_runs import ask, wait_for_answer
from faults.template import make_template
from servers import free_port

TRAPS = Path(__file__).parent / "traps"
# git and DVC are asked for commits and stages; ldconfig, uname and the compilers by ctypes and
# platform in libraries' imports.
KNOWN_PROGRAMS = {"git", "dvc", "ldconfig", "uname", "gcc", "cc", "lscpu"}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[list[Any]]]:
    """What the traps saw in a repro, a prediction, a server, a verification and a retraining."""
    folder = tmp_path_factory.mktemp("traps")
    with make_template(folder / "template") as template:
        bench = copy_bench(template, folder / "copy")
        yield watch(bench, folder / "events.jsonl")
        bench.stop_all()


def watch(bench: Bench, seen: Path) -> list[list[Any]]:
    environment = {
        "LAYERLINE_TRAPS": str(seen),
        "PYTHONPATH": f"{TRAPS}:{bench.checkout.environment['PYTHONPATH']}",
    }
    bench.choose("next")
    for command in (
        ("dvc", "repro"),
        ("layerline", "predict", "houses.csv", "answers.csv"),
        ("layerline", "verify"),
        ("layerline", "retrain"),
        ("layerline", "results"),
    ):
        done = bench.run(*command, is_cold=True, **environment)
        require_no_defect(done)
        assert done.code == 0, done.output
    with _server(bench, environment) as port:
        assert ask(port)[0] == 200
    return [json.loads(line) for line in seen.read_text().splitlines()]


@contextmanager
def _server(bench: Bench, environment: dict[str, str]) -> Iterator[int]:
    port = free_port()
    command = ("layerline", "serve", "models:/houses@champion", "--port", str(port))
    running = bench.start(*command, is_cold=True, **environment)
    try:
        wait_for_answer(running, port)
        yield port
    finally:
        running.process.kill()
        running.outcome()


def _of_ours(events: list[list[Any]], kind: str) -> list[list[Any]]:
    """Events in processes of the project: DVC keeps an index of its own, by its own means."""
    return [e for e in events if e[0] == kind and not (e[2] and e[2][0].endswith("/dvc"))]


CAUGHT = {
    "pickle.find_class": "import datetime, pickle; pickle.loads(pickle.dumps(datetime.date.max))",
    "subprocess.Popen": "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])",
    "exec": "eval('1')",
    "compile": "compile('1', 'x', 'eval')",
    "marshal.loads": "import marshal; marshal.loads(marshal.dumps(1))",
}


@pytest.mark.parametrize("kind", CAUGHT)
def test_the_traps_catch_what_they_are_set_for(kind: str, tmp_path: Path) -> None:
    script = tmp_path / "src" / "layerline" / "own.py"
    script.parent.mkdir(parents=True)
    script.write_text(CAUGHT[kind])
    seen = tmp_path / "events.jsonl"
    environment = os.environ | {"LAYERLINE_TRAPS": str(seen), "PYTHONPATH": str(TRAPS)}
    subprocess.run([sys.executable, script], env=environment, check=True)
    assert kind in {json.loads(line)[0] for line in seen.read_text().splitlines()}


@pytest.mark.slow
def test_the_traps_see_processes(events: list[list[Any]]) -> None:
    assert [event for event in events if event[0] == "subprocess.Popen"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pickle.find_class", "marshal.loads", "exec", "compile"])
def test_nothing_is_unpickled_or_evaluated(events: list[list[Any]], kind: str) -> None:
    assert not _of_ours(events, kind)


@pytest.mark.slow
def test_only_known_programs_are_started(events: list[list[Any]]) -> None:
    programs = {event[1].strip("'") for event in _of_ours(events, "subprocess.Popen")}
    names = {Path(program).name for program in programs}
    assert {name for name in names if not name.startswith("python")} <= KNOWN_PROGRAMS
