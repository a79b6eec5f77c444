"""From scratch, feature extraction and fine-tuning, by number of labelled rows."""

import csv
import json

import pytest
import torch
from click.testing import CliRunner

from layerline.cli import main
from layerline.config import load_params
from layerline.errors import ParamsError
from layerline.origins import SourceContext, find_source
from layerline.studies import transfer_study as studied
from layerline.studies.means import mean_of
from layerline.studies.transfer_study import StudyPlan, run_study
from layerline.studies.trial import MODES, Cell, draw, open_bench

PARAMS = """
project: p
fetch: {source: files}
threads: 1
train:
  options: {hidden: [8, 8], dropout: 0.0}
  optimizer: {name: adamw, learning_rate: 0.02}
  batch_size: 16
  device: cpu
  transfer: {from: old, head_epochs: 1}
"""


@pytest.fixture
def checkout(tmp_path, source, lab, monkeypatch):
    workspace = lab("write_here")(tmp_path, source[2])
    workspace.params.write_text(PARAMS)
    monkeypatch.chdir(tmp_path)
    return workspace


@pytest.fixture
def study(checkout):
    def run(sizes=(4, 8), n_seeds=2, n_steps=6, **more):
        params = load_params(checkout.params)
        files = find_source(SourceContext(checkout, "p"), "old")
        return run_study(checkout, params, files, StudyPlan(sizes, n_seeds, n_steps), **more)

    return run


@pytest.fixture
def trained(monkeypatch):
    """The cells that were trained, not read."""
    cells, real = [], studied.train_cell

    def train(bench, cell):
        cells.append(cell)
        return real(bench, cell)

    monkeypatch.setattr(studied, "train_cell", train)
    return cells


def test_every_mode_gets_the_same_rows_and_more_rows_hold_the_fewer(checkout):
    params = load_params(checkout.params)
    bench = open_bench(checkout, params, find_source(SourceContext(checkout, "p"), "old"), 5)
    few, same = (draw(bench, Cell(mode, 4, 0)) for mode in ("scratch", "fine_tune"))
    many, other = draw(bench, Cell("scratch", 8, 0)), draw(bench, Cell("scratch", 4, 1))
    assert torch.equal(few.x, same.x)
    assert not torch.equal(few.x, other.x)
    assert few.y.bincount().tolist() == [4, 4, 4]
    rows = {tuple(row) for row in many.x.tolist()}
    assert all(tuple(row) in rows for row in few.x.tolist())


def test_a_study_resumes_where_it_was_stopped(study, trained):
    def stop(cell, figure):
        if cell.name == "fine_tune-4-0":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(on_cell=stop)
    assert len(trained) == 3
    first = study()
    assert len(trained) == len(set(trained)) == 2 * 2 * 3
    assert study() == first
    study(sizes=(4, 8, 12))
    assert len(trained) == 3 * 2 * 3
    study(n_steps=7)  # another training altogether
    assert len(trained) == 3 * 2 * 3 + 2 * 2 * 3


def test_a_damaged_cell_is_trained_again(study, trained, checkout):
    first = study()
    (path,) = checkout.root.glob(".layerline/studies/*/scratch-4-1.json")
    path.write_text("{")
    assert study().figures == first.figures
    assert trained.count(Cell("scratch", 4, 1)) == 2


def test_cells_learn_and_gains_are_paired(study):
    found = study(n_steps=60)
    pairs = [
        tuned - scratch
        for tuned, scratch in zip(
            found.values("fine_tune", 4), found.values("scratch", 4), strict=True
        )
    ]
    assert found.gain("fine_tune", 4) == mean_of(pairs)
    assert min(found.values("scratch", 8)) > 0.5  # it learns: the classes are nearly separable


def test_the_command_writes_table_cells_and_curve(checkout):
    arguments = ["study", "transfer", "--rows", "8,4", "--seeds", "2", "--steps", "6"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "scratch, 4 rows, seed 0: " in done.stderr
    folder = checkout.reports / "study-transfer"
    told = json.loads((folder / "study.json").read_text())
    assert [entry["size"] for entry in told["sizes"]] == [4, 8]
    assert (told["figure"], told["unit"], told["n_seeds"]) == ("accuracy", "rows a class", 2)
    with (folder / "cells.csv").open() as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == 2 * 2 * 3
    assert {cell["mode"] for cell in cells} == set(MODES)
    text = (folder / "study.md").read_text()
    assert "| rows a class | accuracy, from scratch |" in text
    assert (folder / "study.png").read_bytes().startswith(b"\x89PNG")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = CliRunner().invoke(main, [*arguments, "--json"])
    assert json.loads(again.stdout) == told
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_numbers_are_compared_by_rmse(tmp_path, lab, monkeypatch):
    numbers = {"task": "regression", "classes": None}
    preprocessor = lab("table_preprocessor")(["age"], **numbers)
    lab("write_source")(tmp_path / "old", preprocessor, lab("spec_of")(preprocessor))
    workspace = lab("write_here")(tmp_path, preprocessor)
    workspace.params.write_text(PARAMS)
    files = find_source(SourceContext(workspace, "p"), str(tmp_path / "old"))
    found = run_study(workspace, load_params(workspace.params), files, StudyPlan((20,), 2, 10))
    assert (found.figure, found.unit) == ("rmse", "rows")
    better = found.values("scratch", 20)[0] - found.values("fine_tune", 20)[0]
    gain = found.gain("fine_tune", 20).mean
    other = found.values("scratch", 20)[1] - found.values("fine_tune", 20)[1]
    assert gain == pytest.approx((better + other) / 2)


def test_too_few_rows_and_a_missing_source_are_reported(checkout, study):
    with pytest.raises(
        ParamsError, match="--rows: 41 rows are requested, but class 'a' has 40 train"
    ):
        study(sizes=(4, 41))
    wrong = CliRunner().invoke(main, ["study", "transfer", "--rows", "10,x"])
    assert "'10,x' is not a list of whole numbers above 0" in wrong.output
    checkout.params.write_text(PARAMS.replace("  transfer: {from: old, head_epochs: 1}\n", ""))
    told = CliRunner().invoke(main, ["study", "transfer"])
    assert told.exit_code == 2
    assert "train.transfer: is not set" in told.output
