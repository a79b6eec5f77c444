"""What stages write as JSON: spec, manifest, decision, preprocessor; and the lines of journals."""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

from damage import damaged, fuzz, on_disk, or_message
from hypothesis import given
from hypothesis import strategies as st

from layerline.artifacts import read_manifest, sha256_of
from layerline.artifacts.json_files import read_json_as
from layerline.evaluation.decision import Decision, read_decision
from layerline.networks.serialization import load_spec
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.tracking.journal_lines import Contents, encode, read_journal, read_more, read_start

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["", "mlp", "regression", "x", 3, [1], {}, "number", "standard"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)
SPEC: dict[str, Any] = {
    "network": "mlp",
    "options": {"hidden": [8]},
    "input_shape": [3],
    "d_out": 1,
    "task": "regression",
    "classes": None,
    "target_center": 0.5,
    "target_scale": 2.0,
    "category_sizes": [],
}
DECISION: dict[str, Any] = {"temperature": 1.2, "thresholds": [0.5], "classes": ["a", "b"]}


def facts(whole: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """The JSON of an object: keys lost, added, of another type; or its bytes damaged."""
    change = st.tuples(st.sampled_from([*whole, "x"]), st.sampled_from(["lose", "put"]), VALUES)

    def changed(changes: list[tuple[str, str, Any]]) -> bytes:
        content = dict(whole)
        for key, what, value in changes:
            if what == "lose":
                content.pop(key, None)
            else:
                content[key] = value
        return json.dumps(content).encode()

    bytes_of = st.lists(change, max_size=3).map(changed)
    return bytes_of | damaged(bytes_of) | VALUES.map(lambda value: json.dumps(value).encode())


@fuzz(4)
@given(facts(SPEC))
def test_specs(content: bytes) -> None:
    with on_disk("spec.json", content) as path:
        spec = or_message(lambda: load_spec(path.parent), "spec.json")
        assert spec is None or isinstance(spec.input_shape, tuple)


@fuzz(3)
@given(facts(DECISION))
def test_decisions(content: bytes) -> None:
    with on_disk("decision.json", content) as path:
        decision = or_message(lambda: read_decision(path.parent, ["a", "b"]), "decision.json")
        assert decision is None or isinstance(decision, Decision)


@fuzz(3)
@given(
    facts({"inputs": ["a"], "transforms": {"a": {"kind": "standard", "mean": 0.0}}, "columns": []})
)
def test_preprocessors(content: bytes) -> None:
    with on_disk("preprocessor.json", content) as path:
        read = partial(read_json_as, path, Preprocessor.from_json)
        made = or_message(read, "preprocessor.json")
        assert made is None or isinstance(made, Preprocessor)


@fuzz(4)
@given(facts({"files": {"a.bin": {"sha256": "0" * 64}, "../b": {"sha256": 1}}, "n_rows": 3}))
def test_manifests(content: bytes) -> None:
    with on_disk("manifest.json", content) as path:
        (path.parent / "a.bin").write_bytes(b"1")
        manifest = or_message(lambda: read_manifest(path.parent), str(path.parent))
        named = {} if manifest is None else manifest["files"]
        assert all(sha256_of(path.parent / n) == named[n]["sha256"] for n in named)


START = {
    "seq": 0, "time_ms": 1, "type": "start", "key": "k", "stage": "train", "experiment": "e",
    "run_name": "r", "continues": False, "process": {"pid": 1},
}  # fmt: skip
EVENTS = [
    START,
    {"seq": 1, "time_ms": 2, "type": "params", "params": {"a": "1"}},
    {"seq": 2, "time_ms": 3, "type": "metrics", "metrics": {"loss": 0.5}, "step": 1},
    {"seq": 3, "time_ms": 4, "type": "end", "status": "FINISHED", "message": "", "start": START},
]


@fuzz(6)
@given(damaged(st.just(b"".join(map(encode, EVENTS)))), st.integers(0, 600))
def test_journals(content: bytes, cut: int) -> None:
    with on_disk("j.jsonl", content) as path:
        found = read_journal(path)
        read_start(path)
        # What proves itself is what was written; in two pieces it is the same.
        assert all(event in EVENTS for event in found.events) or not found.is_checked
        path.write_bytes(content[:cut])
        first = read_more(path, Contents())
        path.write_bytes(content)
        second = read_more(path, first)
        again = [e["seq"] for e in (*first.events, *second.events)]
    assert {e["seq"] for e in found.events} <= set(again) or not found.is_checked
    n_lines = len([line for line in content.split(b"\n") if line])
    assert len(again) + len(first.damaged) + len(second.damaged) >= n_lines - 1
    assert not any(isinstance(e.get("step"), float) and math.isnan(e["step"]) for e in found.events)


def test_an_undamaged_journal_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(b"".join(map(encode, EVENTS)))
    assert read_journal(path).events == EVENTS
