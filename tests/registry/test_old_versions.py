"""Versions that were registered before `layerline.model` existed still work."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from layerline.registry.administration import promote_version, verify_versions
from layerline.registry.client import open_registry
from layerline.registry.download import INSIDE
from layerline.registry.predict import load_registered
from layerline.registry.registration import FILES_TAG, files_of, files_sha256
from layerline.serving.load_model import load, parse_source
from layerline.tables.storage import read_parquet
from layerline.tracking.mlflow_names import plain_tags, stored_tag

# The file as such versions carry it; it is never rewritten.
OLD_PYFUNC = """
from pathlib import Path

import mlflow.models
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext


class BundleModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        from layerline.registry.model import load_bundle

        self.model = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        return self.model.predict(model_input)


mlflow.models.set_model(BundleModel())
"""


@pytest.fixture(scope="module")
def old(store, made, tmp_path_factory):
    """A project with a champion and a second version, both in the old form."""
    folder = tmp_path_factory.mktemp("old")
    for name in ("numbers", "classes"):
        store.register(made(name), "old", folder)
    with open_registry(store.home, "testing") as client:
        for number in ("1", "2"):
            files = Path(files_of(client, "old", number))
            (files / "pyfunc_model.py").write_text(OLD_PYFUNC)
            for cache in files.rglob("__pycache__"):
                shutil.rmtree(cache)
            for tag, value in plain_tags(client.get_model_version("old", number).tags).items():
                client.set_model_version_tag("old", number, tag, value)
                if stored_tag(tag) != tag:
                    client.delete_model_version_tag("old", number, stored_tag(tag))
            client.set_model_version_tag("old", number, FILES_TAG, files_sha256(files))
    return store.home


def test_it_is_verified_and_promoted(old):
    for report in verify_versions(old, "old", "champion", "all"):
        assert report.passed, report.findings
        assert report.findings[-1].what == "predictions"
    assert promote_version(old, "old", "champion", "2").after == "2"


def test_it_is_compared_with_a_new_challenger(store, old, made, tmp_path):
    promote_version(old, "old", "champion", "2")
    facts = store.register(made("classes"), "old", tmp_path / "w")
    assert facts["version"] == 2  # the same bundle is the same version, however it was wrapped
    facts = store.register(made("images"), "old", tmp_path / "w")
    assert "column 'size' is not in the data" in facts["reason"]


def test_it_predicts_and_serves_as_recorded(old):
    with open_registry(old, "testing") as client:
        bundle = Path(files_of(client, "old", "2")) / INSIDE
        from mlflow import pyfunc

        loaded = pyfunc.load_model("models:/old/2")  # beside the layerline that this test imported
    rows, expected = (read_parquet(bundle / f"{n}.parquet") for n in ("examples", "expected"))
    pd.testing.assert_frame_equal(loaded.predict(rows), expected)
    pd.testing.assert_frame_equal(load_registered("models:/old/2", old).predict(rows), expected)
    assert load(parse_source("models:/old/2"), old).version == "2"
