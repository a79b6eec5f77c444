"""A run's params put into params.yaml."""

import pytest
from labs import Lab

from layerline.artifacts import Workspace
from layerline.config import read_yaml
from layerline.errors import ParamsError
from layerline.projects.adopt import adopt, unlike
from layerline.runs.open_store import RequestError

OURS = """\
project: digits
seed: 0  # mine
fetch: {source: sklearn, options: {dataset: digits}, target: target}
threads: auto
validate: {}
scale: {numeric: standard}
train:
  network: mlp      # small
  options: {hidden: [8], dropout: 0.2}
  schedule: {name: step, factor: 0.5}
evaluate: {}
register: {alias: champion}
"""
THEIRS = """\
project: digits
seed: 4
fetch: {source: files, options: {path: other.csv}, target: target}
threads: auto
validate: {}
scale: {numeric: quantile}
train:
  network: mlp
  options: {hidden: [16, 8], dropout: 0.2}
  schedule: cosine
  epochs: 7
evaluate: {}
register: {alias: best}
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "params.yaml").write_text(OURS)
    return Workspace(tmp_path)


def told(home, text):
    """A lab with one run, and its params.yaml."""
    lab = Lab(home.root)
    folder = home.root / "theirs"
    folder.mkdir()
    with lab.journal("a" * 8) as journal:
        journal.tags({"layerline.stage": "train"})
        if text:
            (folder / "params.yaml").write_text(text)
            journal.artifact(folder / "params.yaml")
    lab.flush()
    return lab


def test_what_decides_a_model_is_taken_and_the_data_stay(home):
    lab = told(home, THEIRS)
    run_id = lab.run("a" * 8).run_id
    assert "train.options.hidden" in unlike(home, lab.client, run_id)
    changed = adopt(home, lab.client, lab.run("a" * 8))
    assert unlike(home, lab.client, run_id) == []
    found = read_yaml(home.params)
    theirs, ours = read_yaml(home.root / "theirs" / "params.yaml"), OURS
    for key in ("seed", "scale", "train", "evaluate", "threads"):
        assert found[key] == theirs[key]
    assert found["fetch"]["source"] == "sklearn"
    # The mark is why DVC runs register again: it would restore the experiment's verdict.
    assert found["register"] == {"alias": "champion", "adopted": lab.run("a" * 8).short}
    assert "# mine" in home.params.read_text()
    assert "# small" in home.params.read_text()
    assert changed["train.options.hidden"] == ([8], [16, 8])
    assert changed["train.schedule.factor"] == (0.5, None)
    assert changed["train.schedule"] == (None, "cosine")
    assert adopt(home, lab.client, lab.run("a" * 8)) == {}
    assert ours == OURS


def test_a_column_with_a_dot_in_its_name_keeps_it(home):
    scale = "scale: {numeric: {default: standard, columns: {price.eur: quantile}}}"
    lab = told(home, THEIRS.replace("scale: {numeric: quantile}", scale))
    adopt(home, lab.client, lab.run("a" * 8))
    assert read_yaml(home.params)["scale"]["numeric"]["columns"] == {"price.eur": "quantile"}


def test_params_that_are_invalid_today_change_nothing(home):
    lab = told(home, THEIRS.replace("network: mlp", "network: perceptron"))
    with pytest.raises(ParamsError, match="perceptron"):
        adopt(home, lab.client, lab.run("a" * 8))
    assert home.params.read_text() == OURS


def test_a_run_without_params_is_reported(home):
    lab = told(home, "")
    with pytest.raises(RequestError, match=r"has no params\.yaml"):
        adopt(home, lab.client, lab.run("a" * 8))
