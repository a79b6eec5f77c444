"""The notebook: every cell runs, in the order of what it needs, as marimo would run it."""

import ast
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from exhibits import image_exhibit, table_exhibit

from layerline.errors import ParamsError
from layerline.explorer import find_model
from layerline.explorer.notebook import write_notebook
from layerline.explorer.textbook import textbook_exhibit

NETWORKS = {
    "batch norm": {"hidden": [6, 5], "activation": "gelu"},
    "layer norm, residual": {"hidden": [6, 6, 4], "norm": "layer", "residual": True},
    "embedded": {"hidden": [6], "numeric_embeddings": {"name": "piecewise_linear", "bins": 4}},
    "no bias": {"hidden": [6], "norm": "none", "bias": False, "activation": "mish"},
}


def run_cells(text: str) -> dict[str, Any]:
    """Run the cells of a notebook without marimo, which is not installed with Layerline."""
    known: dict[str, Any] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            body = [part for part in node.body if not _imports_marimo(part)]
            returned = body[-1]
            assert isinstance(returned, ast.Return)
            assert {argument.arg for argument in node.args.args} <= set(known), node.name
            exec(compile(ast.Module(body[:-1], []), node.name, "exec"), known)
            known |= {"mo": known.get("mo", _fake_display())}
    return known


def _imports_marimo(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import) and node.names[0].name == "marimo"


def _fake_display() -> SimpleNamespace:
    """The two things of marimo that the notebook shows something with."""
    slider = lambda low, high, value, label: SimpleNamespace(value=value)  # noqa: E731
    return SimpleNamespace(md=str, ui=SimpleNamespace(slider=slider))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_cells_agree_with_torch(name, tmp_path, monkeypatch) -> None:
    exhibit = table_exhibit(**NETWORKS[name])
    monkeypatch.setattr(find_model, "open_exhibit", lambda source: exhibit)
    write_notebook(tmp_path / "walk.py", exhibit)
    known = run_cells((tmp_path / "walk.py").read_text(encoding="utf-8"))
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


def test_marimo_itself_runs_it_as_a_script(tmp_path) -> None:
    pytest.importorskip("marimo", reason="marimo is not among Layerline's packages")
    write_notebook(tmp_path / "walk.py", textbook_exhibit())
    command = [sys.executable, "walk.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
