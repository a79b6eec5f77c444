"""reports/retrain.jsonl: whole lines whoever writes, and what they say together."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from layerline.artifacts import Workspace
from layerline.config import parse_params
from layerline.retraining.log import Record, append, path_of, read, status

RUN = Record(
    started="2026-01-01T00:00:00+00:00",
    seconds=1.0,
    outcome="unchanged",
    exit_code=0,
    message="nothing is new",
)


def test_lines_written_at_once_are_whole(tmp_path):
    workspace = Workspace(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        records = [dataclasses.replace(RUN, message=str(i) * 2000) for i in range(100)]
        list(threads.map(lambda record: append(workspace, record), records))
    assert sorted(r["message"] for r in read(workspace)) == sorted(r.message for r in records)


def test_a_line_that_was_cut_short_is_skipped(tmp_path):
    workspace = Workspace(tmp_path)
    append(workspace, RUN)
    with path_of(workspace).open("a") as file:
        file.write('{"started": "20\n')
    append(workspace, RUN)
    assert len(read(workspace)) == 2


def test_a_line_without_an_end_takes_no_other_with_it(tmp_path):
    workspace = Workspace(tmp_path)
    append(workspace, RUN)
    with path_of(workspace).open("ab") as file:
        file.write(b'{"started": "20\xff')
    append(workspace, dataclasses.replace(RUN, message="after"))
    assert [record["message"] for record in read(workspace)] == ["nothing is new", "after"]


@pytest.mark.parametrize("line", ["[]", "null", "3", '{"outcome": "kept"}', '"text"'])
def test_json_of_another_shape_is_skipped(tmp_path, line):
    workspace = Workspace(tmp_path)
    append(workspace, RUN)
    with path_of(workspace).open("a") as file:
        file.write(f"{line}\n")
    assert status(workspace)["runs"] == 1


def test_the_status_counts_what_matters(tmp_path):
    workspace = Workspace(tmp_path)
    assert status(workspace)["last"] is None
    for outcome, code in (("promoted", 0), ("kept", 6), ("failed", 3), ("failed", 4)):
        append(workspace, dataclasses.replace(RUN, outcome=outcome, exit_code=code))
    facts = status(workspace)
    assert facts["runs"] == 4
    assert facts["failures_in_a_row"] == 2
    assert facts["last_good"]["outcome"] == "kept"
    assert facts["last_promoted"]["outcome"] == "promoted"


def test_a_credential_does_not_reach_the_file(tmp_path):
    workspace = Workspace(tmp_path)
    append(workspace, dataclasses.replace(RUN, message="https://me:hunter2xyz@example.org/a.csv"))
    assert "hunter2xyz" not in path_of(workspace).read_text()


def test_the_waiting_time_is_checked():
    raw = {"project": "p", "fetch": {"source": "files"}, "retrain": {"wait_seconds": -1}}
    params, problems = parse_params(raw)
    assert params is None
    assert [problem.where for problem in problems] == ["retrain.wait_seconds"]


def test_an_unknown_key_is_refused():
    raw = {"project": "p", "fetch": {"source": "files"}, "retrain": {"wait_second": 1}}
    _, problems = parse_params(raw)
    assert list(map(str, problems)) == [
        "retrain.wait_second: unknown key; did you mean 'wait_seconds'?"
    ]
