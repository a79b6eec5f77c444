"""Notebooks: marimo runs every cell, of those that are written and of those in docs/."""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exhibits import image_exhibit, table_exhibit

from layerline.errors import ParamsError
from layerline.explorer import find_model
from layerline.explorer.notebook import write_notebook
from layerline.explorer.textbook import textbook_exhibit

NOTEBOOKS = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NETWORKS = {
    "batch norm": {"hidden": [6, 5], "activation": "gelu"},
    "layer norm, residual": {"hidden": [6, 6, 4], "norm": "layer", "residual": True},
    "embedded": {"hidden": [6], "numeric_embeddings": {"name": "piecewise_linear", "bins": 4}},
    "no bias": {"hidden": [6], "norm": "none", "bias": False, "activation": "mish"},
}


def run_notebook(path: Path) -> Mapping[str, Any]:
    """Run a notebook's cells as marimo does, in the order of what they need; what they define."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, known = module.app.run()
    return known


@pytest.mark.parametrize("name", NETWORKS)
def test_the_cells_agree_with_torch(name, tmp_path, monkeypatch) -> None:
    exhibit = table_exhibit(**NETWORKS[name])
    monkeypatch.setattr(find_model, "open_exhibit", lambda source: exhibit)
    write_notebook(tmp_path / "walk.py", exhibit)
    known = run_notebook(tmp_path / "walk.py")
    expected = exhibit.model.network(known["torch"].from_numpy(known["x_0"]).float())
    last = known[max(key for key in known if key.startswith("x_"))]
    np.testing.assert_allclose(last, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert known["after"].item() < known["before"].item()


def test_equal_models_have_equal_notebooks_and_convolutions_none(tmp_path) -> None:
    texts = []
    for name in ("a.py", "b.py"):
        write_notebook(tmp_path / name, table_exhibit(hidden=[6]))
        texts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    with pytest.raises(ParamsError, match="this network has conv layers"):
        write_notebook(tmp_path / "c.py", image_exhibit("cnn", (8, 8), channels=[3]))


def test_the_textbooks_walk_in_docs_is_what_the_command_writes(tmp_path) -> None:
    write_notebook(tmp_path / "walk.py", textbook_exhibit())
    written = (tmp_path / "walk.py").read_text(encoding="utf-8")
    assert (NOTEBOOKS / "seven_layers.py").read_text(encoding="utf-8") == written


def test_a_table_is_trained_and_saved_in_a_notebook() -> None:
    known = run_notebook(NOTEBOOKS / "first_model.py")
    assert known["accuracy"] > 0.8
    assert known["is_same"]
    assert set(known["predicted"]["prediction"]) <= {"one", "two", "three"}


@pytest.mark.parametrize(
    "path",
    [
        # The test above has run its cells.
        pytest.param(path, marks=pytest.mark.slow) if path.stem == "first_model" else path
        for path in sorted(NOTEBOOKS.glob("*.py"))
    ],
    ids=lambda path: path.stem,
)
def test_a_notebook_of_docs_runs_as_a_script(path, tmp_path) -> None:
    command = [sys.executable, str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
