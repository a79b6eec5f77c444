"""Nothing that is read can run code: every process of the pipeline and its commands is watched."""

import json
from pathlib import Path
from typing import Any

import pytest
from faults.bench import Bench, copy_bench, make_template, require_no_defect

TRAPS = Path(__file__).parent / "traps"
OUR_PROGRAMS = ("git", "dvc", "ldconfig", "/sbin/ldconfig", "uname", "gcc", "cc", "lscpu", "ps")


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """What the traps saw in a repro, a prediction, a verification and a retraining."""
    folder = tmp_path_factory.mktemp("traps")
    bench: Bench = copy_bench(make_template(folder / "template"), folder / "copy")
    seen = folder / "events.jsonl"
    environment = {
        "LAYERLINE_TRAPS": str(seen),
        "PYTHONPATH": f"{TRAPS}:{bench.checkout.environment['PYTHONPATH']}",
    }
    bench.choose("second")
    for command in (
        ("dvc", "repro"),
        ("layerline", "predict", "houses.csv", "answers.csv"),
        ("layerline", "verify"),
        ("layerline", "retrain"),
        ("layerline", "results"),
    ):
        done = bench.run(*command, **environment)
        require_no_defect(done)
        assert done.code == 0, done.output
    return [json.loads(line) for line in seen.read_text().splitlines()]


def _of_ours(events: list[list[Any]], kind: str) -> list[list[Any]]:
    """Events in processes of the project: DVC keeps an index of its own, by its own means."""
    return [e for e in events if e[0] == kind and not (e[2] and e[2][0].endswith("/dvc"))]


def test_the_traps_see_processes(events: list[list[Any]]) -> None:
    assert [event for event in events if event[0] == "subprocess.Popen"]


@pytest.mark.parametrize("kind", ["pickle.find_class", "marshal.loads", "exec", "compile"])
def test_nothing_is_unpickled_or_evaluated(events: list[list[Any]], kind: str) -> None:
    assert not _of_ours(events, kind)


def test_only_known_programs_are_started(events: list[list[Any]]) -> None:
    programs = {event[1].strip("'") for event in _of_ours(events, "subprocess.Popen")}
    names = {Path(program).name for program in programs}
    assert {n for n in names if not n.startswith("python")} <= {Path(p).name for p in OUR_PROGRAMS}
