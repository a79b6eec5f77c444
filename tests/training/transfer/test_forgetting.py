"""What a fine-tuned network still knows of the rows its source knew."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from layerline.artifacts import FORGETTING, replace_folder
from layerline.config import EvaluateSection
from layerline.errors import DataError, ParamsError, SourceError
from layerline.evaluation.forgetting_report import forgetting_section, judge_forgetting
from layerline.rendering.templates import render_markdown
from layerline.tables.storage import write_table
from layerline.training.train import train
from layerline.training.transfer.prepare import plan_training

N_ROWS = 60


def old_rows(n_rows=N_ROWS, **columns):
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age": generator.normal(size=n_rows),
            "height": generator.normal(size=n_rows),
            "city": np.array(["Bonn", "Ulm"])[np.arange(n_rows) % 2],
            "kind": np.array(list("abc"))[np.arange(n_rows) % 3],
        }
    )
    return frame.assign(**columns)


@pytest.fixture
def trained(tmp_path, source, lab):
    """Train from the source on a table of its own, and judge forgetting on `frame`."""

    def run(frame=None, here=None, files=None, **transfer):
        workspace = lab("write_here")(tmp_path / "new", here or source[2])
        path = tmp_path / "old.parquet"
        write_table(path, old_rows() if frame is None else frame)
        files = dataclasses.replace(files or source[0], holdout=path)
        params = lab("params_of")(transfer)
        said = []
        train(workspace, params, lambda record: None, said.append, files)
        found = judge_forgetting(workspace.network, EvaluateSection(bootstrap=200), 0)
        return workspace, found, said

    return run


def test_before_is_the_sources_own_figure_and_after_the_new_networks(trained, source):
    from layerline.networks.serialization import load_network

    workspace, found, said = trained()
    frame = old_rows()
    x = torch.from_numpy(source[2].transform(frame))
    y = torch.tensor([list("abc").index(kind) for kind in frame["kind"]])
    for network, name in ((source[1], "before"), (load_network(workspace.network)[0], "after")):
        with torch.inference_mode():
            outputs = network(x)
        accuracy = float((outputs.argmax(1) == y).double().mean())
        log_loss = float(torch.nn.functional.cross_entropy(outputs.double(), y))
        assert getattr(found.changes["accuracy"], name) == pytest.approx(accuracy)
        assert getattr(found.changes["log_loss"], name) == pytest.approx(log_loss)
    change = found.changes["log_loss"]
    assert change.after != change.before
    assert change.worse_by.mean == pytest.approx(change.after - change.before)
    assert change.worse_by.lower < change.worse_by.mean < change.worse_by.upper
    assert set(found.metrics) == {"source_before", "source_after"}
    assert f"forgetting is measured on {N_ROWS} rows of the source" in said
    assert json.loads(json.dumps(found.to_json()))["figures"]["accuracy"]["before"]
    assert "| accuracy (loss: share wrong) |" in render_markdown(forgetting_section(found))


def test_frozen_all_over_nothing_is_forgotten(trained, source):
    """The head of known classes that learns at a rate of nearly nothing stays as it was."""
    workspace, found, _ = trained(l2_sp=0.0, learn=("blocks.0.weight",), rate_decay=1e-9)
    losses = load_file(workspace.network / FORGETTING)["log_loss"]
    assert losses.shape == (2, N_ROWS)
    assert found.facts["n_left_out"] == 0


def test_bytes_of_the_network_do_not_depend_on_the_check(trained, tmp_path, source, lab):
    workspace, _, _ = trained()
    checked = (workspace.network / "network.safetensors").read_bytes()
    plain = lab("write_here")(tmp_path / "plain", source[2])
    train(plain, lab("params_of")({}), lambda record: None, source=source[0])
    assert (plain.network / "network.safetensors").read_bytes() == checked


def test_classes_that_are_no_more_are_left_out_and_reported(trained, source):
    here = dataclasses.replace(source[2], classes=("b", "new", "a"))
    _, found, _ = trained(here=here)
    assert found.facts["n_rows"] == 2 * N_ROWS // 3
    assert found.facts["classes_left_out"] == ["c"]
    told = render_markdown(forgetting_section(found))
    assert "20 rows were left out: this network has no output for c." in told


def test_a_replaced_head_cannot_be_judged_and_this_is_reported(trained, source):
    here = dataclasses.replace(source[2], classes=("x", "y", "z"))
    workspace, found, said = trained(here=here)
    assert found.changes == {}
    assert found.metrics == {}
    assert not (workspace.network / FORGETTING).exists()
    assert any("none of the source's classes (a, b, c) is left" in line for line in said)
    assert "Not measured: none of the source's classes" in render_markdown(
        forgetting_section(found)
    )


def test_columns_are_renamed_and_new_ones_are_gaps(trained, source, lab):
    here = lab("table_preprocessor")(["years", "height", "weight"], {"city": ["Bonn", "Ulm"]})
    _, found, _ = trained(here=here, columns={"age": "years"})
    assert found.facts["columns_absent"] == ["weight"]
    assert "have no column weight; this network reads it as missing" in render_markdown(
        forgetting_section(found)
    )


def test_numbers_are_judged_in_the_users_unit(tmp_path, lab, trained):
    numbers = {"task": "regression", "classes": None, "target_center": 50.0, "target_scale": 10.0}
    theirs = lab("table_preprocessor")(["age"], **numbers)
    files, network = lab("write_source")(tmp_path / "r", theirs, lab("spec_of")(theirs))
    frame = old_rows(kind=np.linspace(20, 80, N_ROWS))
    here = lab("table_preprocessor")(["age"], **(numbers | {"target_scale": 5.0}))
    _, found, _ = trained(frame, here, files)
    with torch.inference_mode():
        outputs = network(torch.from_numpy(theirs.transform(frame))).double().numpy()[:, 0]
    rmse = np.sqrt(np.mean((outputs * 10 + 50 - frame["kind"]) ** 2))
    assert found.changes["rmse"].before == pytest.approx(rmse, rel=1e-6)
    other = dataclasses.replace(here, target="other")
    _, found, _ = trained(frame, other, files)
    assert found.facts["reason"] == "the source predicts 'kind', the new network 'other'"


def test_the_test_rows_of_a_folder_data_are_taken(tmp_path, source, lab):
    from layerline.training.transfer.source_rows import read_holdout

    data = tmp_path / "their" / "data"
    with replace_folder(data / "validated", {"kind": "table"}) as folder:
        write_table(folder / "table.parquet", old_rows())
    whole = read_holdout(data, source[2])
    assert (len(whole.frame), whole.is_test) == (N_ROWS, False)
    with replace_folder(data / "scaled", {}) as folder:
        np.save(folder / "test_row.npy", np.array([5, 2]))
    found = read_holdout(data, source[2])
    assert found.is_test
    assert found.frame["age"].tolist() == old_rows()["age"][[5, 2]].tolist()
    assert len(read_holdout(data / "validated", source[2]).frame) == N_ROWS


def test_images_go_through_both_preprocessors(tmp_path, lab):
    from layerline.tables.storage import write_images
    from layerline.training.transfer.source_rows import read_holdout

    affine = {"center": [0.0], "scale": [255.0], "clip": False}
    image = {"image": affine, "image_shape": [4, 5]}
    preprocessor = lab("table_preprocessor")([], **image)
    pixels = np.arange(3 * 20, dtype=np.uint8).reshape(3, 4, 5)
    with replace_folder(tmp_path / "validated", {"kind": "images"}) as folder:
        write_images(folder, pixels, pd.DataFrame({"kind": list("abc")}))
    found = read_holdout(tmp_path / "validated", preprocessor)
    assert found.transform(preprocessor).shape == (3, 1, 4, 5)
    table = lab("table_preprocessor")(["age"])
    with pytest.raises(SourceError, match="holds images, the source reads a table"):
        read_holdout(tmp_path / "validated", table)


def test_what_does_not_fit_is_reported_before_the_training(trained, source, tmp_path, lab):
    with pytest.raises(DataError, match="there is no target column 'kind'"):
        trained(old_rows().drop(columns="kind"))
    with pytest.raises(SourceError, match="holds no rows"):
        trained(old_rows(0))
    alone = dataclasses.replace(source[0], spec=None, preprocessor=None)
    with pytest.raises(ParamsError, match=r"train\.transfer\.forgetting: models has weights only"):
        trained(files=alone)
    files = dataclasses.replace(source[0], holdout=tmp_path / "old.parquet")
    workspace = lab("write_here")(tmp_path / "new", source[2])
    write_table(tmp_path / "old.parquet", old_rows())
    plan = plan_training(workspace, lab("params_of")({}), files)
    assert "forgetting is measured on 60 rows of the source" in plan.notes


def test_damaged_losses_are_reported(trained):
    workspace, _, _ = trained()
    (workspace.network / FORGETTING).write_bytes(b"x")
    with pytest.raises(SourceError, match=r"forgetting\.safetensors: cannot be read"):
        judge_forgetting(workspace.network, EvaluateSection(), 0)
