"""An answer given once more: the same bytes, or a reason."""

import json

import pytest
from serving.conftest import ROW, serving

from layerline.errors import SourceError, TrackingError
from layerline.serving.replayed import replay
from layerline.serving.request_log import RequestLog, Sampling

PROJECT = "replayed"


@pytest.fixture(scope="module")
def answers(made, store, tmp_path_factory):
    """(the request log, answers by what was asked) of a registered model's server."""
    folder = tmp_path_factory.mktemp("replayed")
    store.register(made("classes"), PROJECT, folder)
    path, sample = folder / "requests.jsonl", Sampling(1.0, "id")
    make = lambda metrics: RequestLog(path, sample, metrics)  # noqa: E731
    uri = f"models:/{PROJECT}/1"
    with serving(uri, store.home, log=make, log_sample=sample) as server:
        one = server.predict(ROW | {"id": 1})
        many = server.predict([ROW | {"id": at, "count": at % 5} for at in range(7)])
        header = ",".join(ROW)
        line = ",".join(str(value) for value in ROW.values())
        text = server.predict("\n".join([header, line, line]).encode(), "text/csv")
    return path, {"row": one, "rows": many, "csv": text}


@pytest.mark.parametrize("asked", ["row", "rows", "csv"])
def test_an_answer_is_given_again_to_the_byte(answers, store, asked):
    path, given = answers
    answer = given[asked]
    assert answer.status == 200, answer.body
    assert replay(answer.headers["x-answer-id"], PROJECT, [path], store.home) == answer.body


def test_what_is_gone_is_named(answers, store, tmp_path):
    path, given = answers
    name = given["rows"].headers["x-answer-id"]
    with pytest.raises(SourceError, match=r"no row of this answer is in .*requests\.jsonl"):
        replay("0-0", PROJECT, [path], store.home)
    lines = [line for line in path.read_text().splitlines() if name in line]
    part = tmp_path / "part.jsonl"
    part.write_text("\n".join(lines[:3]) + "\n")
    with pytest.raises(SourceError, match=r"3 of its 7 rows are in .*--log-sample 1"):
        replay(name, PROJECT, [part], store.home)
    part.write_text("".join(f"{line}\n" for line in lines).replace('"count":4', '"count":3'))
    with pytest.raises(SourceError, match="gives other bytes here than it did"):
        replay(name, PROJECT, [part], store.home)
    others = [json.dumps(json.loads(line) | {"version": "77"}) for line in lines]
    part.write_text("\n".join(others) + "\n")
    with pytest.raises(TrackingError, match="was given by version 77"):
        replay(name, PROJECT, [part], store.home)
