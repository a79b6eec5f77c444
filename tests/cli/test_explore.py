"""`layerline explore`: what it writes and what it says."""

import json
from pathlib import Path


def test_the_textbook_needs_no_project(tmp_path, monkeypatch, layerline):
    monkeypatch.chdir(tmp_path)
    told = json.loads(layerline("explore", "--textbook", "--json", "--notebook", "walk.py").stdout)
    assert told.pop("bytes") == Path("explorer.html").stat().st_size
    assert told == {"page": "explorer.html", "notebook": "walk.py", "run": None}
    compile(Path("walk.py").read_text(), "walk.py", "exec")


def test_a_folder_without_project_or_model_is_one_message(tmp_path, monkeypatch, layerline):
    monkeypatch.chdir(tmp_path)
    result = layerline("explore", code=4)
    assert "there is no model here; run the pipeline first" in result.stderr
    assert "no such folder" in layerline("explore", "kind-fox", code=4).stderr
    result = layerline("explore", "--textbook", "--log", code=4)
    assert "Seven layers, by the textbook: belongs to no run; leave --log out" in result.stderr
    assert "not both" in layerline("explore", "kind-fox", "--textbook", code=2).stderr


def test_a_project_that_was_not_run_is_told_to(tmp_path, monkeypatch, layerline):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("project: shop\nfetch: {source: files}\n")
    assert "dvc repro" in layerline("explore", code=4).stderr
