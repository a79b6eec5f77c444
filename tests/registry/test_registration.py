import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from layerline.registry import registration
from layerline.registry.client import open_registry
from layerline.registry.registration import hash_tags, log_version
from layerline.tables.storage import read_images, read_table
from layerline.tracking.mlflow_names import plain_tags


def raw_rows(checkout):
    if checkout.workspace.validated.joinpath("images.npy").exists():
        return np.asarray(read_images(checkout.workspace.validated))
    frame = read_table(checkout.workspace.validated)
    return frame.drop(columns=checkout.preprocessor.target)


@pytest.fixture
def log(store, made, tmp_path):
    def log_one(name, project, run_id=None):
        checkout = made(name)
        folder = tmp_path / project / "bundle"
        shutil.rmtree(folder, ignore_errors=True)
        rows = raw_rows(checkout)
        model = checkout.bundle(folder, rows[:5])
        about = model.about.from_json({**model.about.to_json(), "project": project})
        with open_registry(store.home, "testing") as client:
            run_id = run_id or store.run(project)
            version = log_version(client, run_id=run_id, bundle=folder, about=about, examples=rows)
        return version, model, rows

    return log_one


@pytest.mark.parametrize("name", ["classes", "numbers", "images"])
def test_a_version_predicts_raw_rows_through_mlflow(name, log, store):
    version, model, rows = log(name, f"predicts-{name}")
    with open_registry(store.home, "testing"):
        from mlflow import pyfunc

        loaded = pyfunc.load_model(version.uri)
    wanted = model.predict(rows)
    found = loaded.predict(rows)
    pd.testing.assert_frame_equal(found, wanted)
    assert loaded.metadata.signature.outputs.input_names() == list(wanted)
    example = loaded.input_example
    assert len(example) == 5
    pd.testing.assert_frame_equal(
        loaded.predict(example), wanted[:5], check_index_type=False, check_exact=False
    )


def test_rows_as_pandas_makes_them_pass_mlflows_enforcement(log, store, tmp_path):
    version, model, rows = log("classes", "enforced")
    with open_registry(store.home, "testing"):
        from mlflow import pyfunc

        loaded = pyfunc.load_model(version.uri)
    rows[:50].to_csv(tmp_path / "rows.csv", index=False)
    clay = rows[rows["soil"] == "clay"][:3]
    forms = [
        pd.read_csv(tmp_path / "rows.csv", dtype={"soil": "str"})[model_columns(model)],
        rows[model_columns(model)].astype(object),
        rows[model_columns(model)].assign(count=rows["count"].where(rows["count"] > 2)),
        rows[model_columns(model)].assign(soil=np.nan),
        rows[model_columns(model)].assign(size=rows["size"].fillna(0).round().astype(int)),
        clay[model_columns(model)].to_dict(orient="records"),
    ]
    for form in forms:
        wanted = model.predict(pd.DataFrame(form), any_value=True)
        given = loaded.predict(pd.DataFrame(form), params={"any_value": True})
        pd.testing.assert_frame_equal(given, wanted)


def model_columns(model):
    return [column.name for column in model.about.columns]


def test_a_version_brings_its_own_code(log, store, python):
    version, _, _ = log("classes", "own-code")
    code = (
        "import sys, mlflow.pyfunc\n"
        f"model = mlflow.pyfunc.load_model({version.uri!r})\n"
        "print(model.predict(model.input_example).shape)\n"
        "print(sys.modules['layerline'].__file__)\n"
        "print('sklearn' in sys.modules)\n"
    )
    environment = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{store.home}/mlflow.db",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [python, "-P", "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shape, place, has_sklearn = done.stdout.splitlines()
    assert shape == "(5, 4)"
    assert "/artifacts/code/layerline/" in place
    assert has_sklearn == "False"


def test_a_flipped_byte_in_the_store_is_refused_at_load(log, store):
    from layerline.errors import SourceError

    version, _, _ = log("classes", "damaged")
    weights = next((store.home / "mlartifacts" / "damaged").rglob("network.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with open_registry(store.home, "testing"):
        from mlflow import pyfunc

        with pytest.raises(SourceError, match="was changed after it was registered"):
            pyfunc.load_model(version.uri)


def test_the_version_carries_hashes_and_its_run_stays_finished(log, store, made, tmp_path):
    version, _, _ = log("classes", "tagged")
    with open_registry(store.home, "testing") as client:
        stored = client.get_model_version("tagged", version.number)
        run = client.get_run(version.run_id)
        model_id = stored.source.removeprefix("models:/")
        logged = client.get_logged_model(model_id)
    made("classes").bundle(tmp_path / "same")
    assert hash_tags(tmp_path / "same").items() <= plain_tags(stored.tags).items()
    assert stored.run_id == version.run_id
    assert run.info.status == "FINISHED"
    assert [output.model_id for output in run.outputs.model_outputs] == [model_id]
    assert logged.status == "READY"


def test_the_same_model_never_becomes_a_second_version(log, store):
    first, _, _ = log("classes", "twice")
    again, _, _ = log("classes", "twice")
    assert first.is_new
    assert not again.is_new
    assert again.number == first.number
    assert again.run_id == first.run_id
    with open_registry(store.home, "testing") as client:
        assert len(client.search_model_versions("name = 'twice'")) == 1


def test_killed_between_model_and_version_it_is_simply_done_again(log, store, monkeypatch):
    def die(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registration, "_ensure_registered_model", die)
        with pytest.raises(KeyboardInterrupt):
            log("classes", "killed")
    version, _, _ = log("classes", "killed")
    assert (version.number, version.is_new) == ("1", True)


def test_the_models_page_shows_the_test_figures_and_the_run_has_them_once(log, store):
    from mlflow.entities import Dataset, DatasetInput, InputTag

    run_id = store.run("figures")
    with open_registry(store.home, "testing") as client:
        client.log_metric(run_id, "test_accuracy", 0.9)
        client.log_metric(run_id, "valid_loss", 0.5, step=3)
        data = Dataset("flowers-test", "abc", "local", "{}")
        tags = [InputTag("mlflow.data.context", "testing")]
        client.log_inputs(run_id, [DatasetInput(data, tags)])
        log("classes", "figures", run_id)
        model_id = client.get_run(run_id).outputs.model_outputs[0].model_id
        (shown,) = client.get_logged_model(model_id).metrics
        assert (shown.key, shown.value) == ("test_accuracy", 0.9)
        assert (shown.dataset_name, shown.dataset_digest) == ("flowers-test", "abc")
        assert len(client.get_metric_history(run_id, "test_accuracy")) == 1
