"""What may go and what must stay; how much room a run needs."""

import dataclasses
import os
import subprocess
import sys

import pytest
from registered import clean_environment, made, store  # noqa: F401

from layerline.artifacts import STAGES, Workspace
from layerline.errors import LayerlineError
from layerline.registry.client import open_registry
from layerline.registry.promotion import promote
from layerline.retraining.disk_space import require_space
from layerline.retraining.pruning import find_leftovers
from layerline.tracking.spool import DONE

PROJECT = "pruned"
DVC = """stages:
  fetch:
    cmd: mkdir -p data && cp in.txt data/one.txt && cp in.txt two.txt
    deps: [in.txt]
    outs: [data, two.txt]
"""


def age(path, days: float) -> None:
    before = path.stat().st_mtime - days * 86400
    os.utime(path, (before, before))


def names(found) -> set[tuple[str, str]]:
    return {(one.kind, one.name) for one in found}


def test_what_is_old_or_deleted_goes_and_what_a_version_needs_stays(made, store, tmp_path):  # noqa: F811
    facts = store.register(made("numbers"), PROJECT, tmp_path / "bundles")
    params = dataclasses.replace(made("numbers").params, project=PROJECT)
    hidden = store.home / ".layerline"
    for name, days in (("old", 40), ("new", 1)):
        snapshot = hidden / "snapshots" / name / "snapshot.safetensors"
        snapshot.parent.mkdir(parents=True)
        snapshot.write_bytes(b"x" * 1000)
        for path in (snapshot, snapshot.parent):
            age(path, days)
        journal = hidden / "journals" / f"{name}.jsonl{DONE}"
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text("{}\n")
        age(journal, days)
    deleted = store.run(PROJECT)
    with open_registry(store.home, "testing") as client:
        client.log_text(deleted, "y" * 500, "note.txt")
        client.delete_run(deleted)
        client.delete_run(facts["run_id"])  # a version needs it
    expected = {("snapshots", "old"), ("journals", f"old.jsonl{DONE}")}
    assert names(find_leftovers(Workspace(store.home), params, 30)) == expected

    found = find_leftovers(Workspace(store.home), params, 0)
    sizes = {one.name: one.n_bytes for one in found}
    assert (sizes["old"], sizes[deleted]) == (1000, 500)
    assert facts["run_id"] not in sizes
    for one in found:
        one.remove()
    assert find_leftovers(Workspace(store.home), params, 0) == []
    assert not (hidden / "snapshots" / "new").exists()
    with open_registry(store.home, "testing") as client:
        client.restore_run(facts["run_id"])


@pytest.mark.slow
def test_of_dvcs_cache_stays_what_the_champion_was_trained_on(made, store, tmp_path):  # noqa: F811
    project, root = f"{PROJECT}-dvc", tmp_path / "project"
    params = dataclasses.replace(made("numbers").params, project=project)
    facts = store.register(made("numbers"), project, tmp_path / "bundles")
    root.mkdir()
    (root / "dvc.yaml").write_text(DVC)

    def run(*command: str) -> None:
        subprocess.run(command, cwd=root, check=True, capture_output=True)

    run("git", "init", "-q")
    run(sys.executable, "-m", "dvc", "init", "-q")
    lines = []
    for text in ("the champion's", "another one", "the last one"):
        (root / "in.txt").write_text(text)
        run(sys.executable, "-m", "dvc", "repro", "-q")
        lock = (root / "dvc.lock").read_text()
        lines.append(lock)
    champion = [line.split()[-1] for line in lines[0].splitlines() if "md5:" in line][1:]
    with open_registry(store.home, "testing") as client:
        promote(client, project, "champion", "1")
        tag = "\n".join(f"path{at}={md5}" for at, md5 in enumerate(champion))
        client.set_tag(facts["run_id"], f"dvc.{STAGES[0]}.outs", tag)
    workspace = dataclasses.make_dataclass("Split", [("root", object), ("home", object)])
    found = find_leftovers(workspace(root, store.home), params, 30)
    cached = [one for one in found if one.kind == "dvc cache"]
    assert len(cached) == 2  # a folder and a file of "another one"
    for one in cached:
        one.remove()
    left = {path.parent.name + path.name for path in (root / ".dvc/cache/files").rglob("*.*")}
    assert set(champion) & left
    (root / "in.txt").write_text("the last one")
    run(sys.executable, "-m", "dvc", "checkout")


def test_a_run_needs_as_much_room_as_the_last_one(tmp_path):
    require_space(tmp_path)  # the first run: nothing is known
    lock = "schema: '2.0'\nstages:\n  fetch:\n    cmd: x\n    outs:\n    - path: data\n"
    (tmp_path / "dvc.lock").write_text(f"{lock}      md5: 01ab\n      size: 1000\n")
    require_space(tmp_path)
    (tmp_path / "dvc.lock").write_text(f"{lock}      md5: 01ab\n      size: {10**18}\n")
    with pytest.raises(LayerlineError, match=r"the last run needed 2,000,000,000\.0 GB.*prune"):
        require_space(tmp_path)
