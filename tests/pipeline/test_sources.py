"""`dvc repro` from sources that are no single file: pictures in an archive, and a database."""

import io
import json
import sqlite3
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from checkouts import Checkout, make_checkout
from PIL import Image
from ruamel.yaml import YAML
from sklearn.datasets import load_digits, load_wine

CODE = "from layerline.cli import main; main()"
SETTINGS = {"epochs": 15, "batch_size": 32}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "own project")


def set_up(checkout: Checkout, project: str, fetch: dict, **train: object) -> None:
    """Params for the source; the schema is inferred from what was fetched, as a user would."""
    yaml = YAML()
    path = checkout.root / "params.yaml"
    params = yaml.load(path)
    params["project"] = project
    params["fetch"] = fetch
    params["validate"]["schema"] = f"data/schemas/{project}.yaml"
    params["train"].update(SETTINGS | train)
    params["evaluate"] = {"bootstrap": 100, "baselines": []}
    yaml.dump(params, path)
    checkout.run(sys.executable, "-W", "ignore", "-c", CODE, "watch")
    checkout.stage("fetch")
    checkout.run(sys.executable, "-W", "ignore", "-c", CODE, "schema")


def accuracy(checkout: Checkout) -> float:
    found = json.loads((checkout.root / "reports" / "metrics.json").read_text())
    return float(found["test"]["accuracy"])


@pytest.mark.slow
def test_pictures_in_an_archive(checkout: Checkout) -> None:
    digits = load_digits()
    with zipfile.ZipFile(checkout.root / "pictures.zip", "w") as archive:
        for number, (pixels, digit) in enumerate(
            zip(digits.images[:600], digits.target[:600], strict=True)
        ):
            picture = io.BytesIO()
            Image.fromarray((pixels * 15).astype(np.uint8)).save(picture, "PNG")
            archive.writestr(f"digit-{digit}/{number}.png", picture.getvalue())
    options = {"path": "pictures.zip", "mode": "L"}
    fetch = {"source": "image_folder", "options": options, "target": "digit", "task": "auto"}
    set_up(checkout, "pictures", fetch, network="cnn", options={"channels": [16, 32]})
    checkout.run("dvc", "repro")
    assert accuracy(checkout) > 0.85
    found = checkout.python(
        "import mlflow\n"
        "model = mlflow.pyfunc.load_model('models:/pictures@champion')\n"
        "print(model.metadata.signature.inputs)"
    )
    assert "8, 8" in found


@pytest.mark.slow
def test_a_query_to_a_database(checkout: Checkout) -> None:
    wine = load_wine(as_frame=True)
    frame = wine.frame.assign(kind=wine.target.map(lambda k: f"cultivar {k}")).drop(
        columns="target"
    )
    with sqlite3.connect(checkout.root / "wine.db") as database:
        frame.to_sql("wine", database, index_label="id")
    options = {"url": "sqlite:///wine.db", "query": "SELECT * FROM wine ORDER BY id"}
    fetch = {"source": "sql", "options": options, "target": "kind", "task": "auto"}
    set_up(checkout, "wine", fetch)
    checkout.run("dvc", "repro")
    assert accuracy(checkout) > 0.85
    with sqlite3.connect(checkout.root / "wine.db") as database:
        database.execute("UPDATE wine SET malic_acid = malic_acid + 0.01")
    assert "Running stage 'fetch'" in checkout.run("dvc", "repro")
