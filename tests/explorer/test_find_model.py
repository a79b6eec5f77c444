"""What `layerline explore` may be given, and what it says of anything else."""

import dataclasses
import shutil

import numpy as np
import pytest
from registered import Store, store

from layerline.artifacts import NETWORK_WEIGHTS, Workspace, write_json
from layerline.errors import DataError, SourceError, TrackingError
from layerline.explorer.find_model import find_exhibit, open_exhibit
from layerline.explorer.sample_rows import MOST_ROWS

__all__ = ["store"]


@pytest.mark.parametrize("name", ["classes", "numbers", "images"])
def test_a_projects_own_model_comes_with_its_test_rows(name, made) -> None:
    checkout = made(name)
    exhibit = find_exhibit(checkout.workspace, checkout.params, None)
    assert exhibit.title == "flowers"
    assert exhibit.sample.origin == "test rows"
    assert len(exhibit.sample.rows) == len(exhibit.sample.actual)
    assert exhibit.home.card is None  # evaluate did not run
    assert exhibit.features([0, 1]).shape[0] == len(exhibit.targets([0, 1])) == 2


def test_a_bundle_brings_examples_without_truth_outside_of_its_project(made, tmp_path) -> None:
    checkout = made("classes")
    rows = find_exhibit(checkout.workspace, checkout.params, None).sample.rows[:4]
    checkout.bundle(tmp_path / "bundle", rows)
    alone = find_exhibit(Workspace(tmp_path), None, str(tmp_path / "bundle"))
    assert len(alone.sample.rows) == 4
    with pytest.raises(DataError, match="carry no true values"):
        alone.targets([0])
    at_home = find_exhibit(checkout.workspace, checkout.params, str(tmp_path / "bundle"))
    assert at_home.sample.actual is not None
    other = made("numbers")
    elsewhere = find_exhibit(other.workspace, other.params, str(tmp_path / "bundle"))
    assert elsewhere.sample.actual is None  # another project's rows do not fit


def test_a_damaged_model_is_not_shown(made, tmp_path) -> None:
    checkout = made("classes")
    copy = shutil.copytree(checkout.workspace.root, tmp_path / "copy")
    weights = copy / "models" / "network" / NETWORK_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(SourceError, match=NETWORK_WEIGHTS):
        find_exhibit(Workspace(copy), checkout.params, None)


def test_a_model_keeps_the_name_it_was_registered_under(made, tmp_path) -> None:
    checkout = made("classes")
    copy = Workspace(shutil.copytree(checkout.workspace.root, tmp_path / "copy"))
    copy.reports.mkdir(exist_ok=True)
    write_json(copy.reports / "registration.json", {"project": "flowers"})
    params = dataclasses.replace(checkout.params, project="boxes")
    assert find_exhibit(copy, params, None).title == "flowers"


def test_a_sample_is_thinned_evenly(made) -> None:
    checkout = made("classes")
    sample = find_exhibit(checkout.workspace, checkout.params, None).sample
    many = dataclasses.replace(
        sample, rows=sample.rows.iloc[[0] * 1000], actual=np.arange(1000)
    ).thinned()
    assert len(many.rows) == MOST_ROWS
    assert many.actual[[0, -1]].tolist() == [0, 999]
    assert max(np.diff(many.actual)) <= 4


def test_a_second_model_must_answer_for_the_same_rows(made, tmp_path) -> None:
    own = find_exhibit(made("classes").workspace, made("classes").params, None)
    assert own.with_beside(own).beside is own
    other = find_exhibit(made("numbers").workspace, made("numbers").params, None)
    with pytest.raises(DataError, match="predicts or reads something else, which flowers does not"):
        own.with_beside(other)
    about = dataclasses.replace(own.model.about, columns=own.model.about.columns[1:])
    narrow = own._replace(model=dataclasses.replace(own.model, about=about))
    with pytest.raises(DataError, match="reads column 'size'"):
        narrow.with_beside(own)


def test_a_folder_without_project_says_what_to_do(tmp_path) -> None:
    with pytest.raises(SourceError, match=r"params.yaml: missing, .*dvc repro"):
        open_exhibit(None, tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        open_exhibit("kind-fox", tmp_path)


@pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")  # MLflow's own
def test_a_version_and_a_run_of_the_registry_are_found(made, store: Store, tmp_path) -> None:
    checkout = made("classes")
    store.register(checkout, "explored", tmp_path / "work")
    home = Workspace(store.home)
    by_alias = find_exhibit(home, None, "models:/explored@champion")
    assert by_alias.title == "explored@champion"
    assert by_alias.home.card is None
    card = tmp_path / "model_card.html"
    card.write_text("<h1>explored</h1>")
    run_id = by_alias.home.attach(card)  # as evaluate does
    again = find_exhibit(home, None, "models:/explored/1").home
    assert (again.run_id, again.card) == (run_id, card.read_text())
    params = dataclasses.replace(checkout.params, project="explored")
    by_run = find_exhibit(home, params, "champion")
    assert by_run.title == "explored/1"
    rows = by_alias.sample.rows
    assert by_run.model.predict(rows).equals(by_alias.model.predict(rows))
    with pytest.raises(TrackingError, match="no version holds this alias"):
        find_exhibit(home, None, "models:/explored@nobody")
