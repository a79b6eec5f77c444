"""A network on disk: refused when damaged, never written when broken."""

import json
from pathlib import Path

import pytest
import torch

from layerline.errors import DataError, SourceError
from layerline.networks.serialization import NetworkSpec, load_network, save_network

SPEC = NetworkSpec("mlp", {}, (7,), 3, "multiclass", ("a", "b", "c"))


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    network = SPEC.build()
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    with pytest.raises(DataError, match="not finite"):
        save_network(tmp_path, network, SPEC)
    assert not (tmp_path / "network.safetensors").exists()


@pytest.mark.parametrize("damage", ["cut", "other shape", "gone"])
def test_damaged_weights_are_refused(tmp_path: Path, damage: str) -> None:
    save_network(tmp_path, SPEC.build(), SPEC)
    path = tmp_path / "network.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "gone":
        path.unlink()
    else:
        other = NetworkSpec("mlp", {}, (8,), 3, "multiclass", ("a", "b", "c"))
        save_network(tmp_path, other.build(), SPEC)
    with pytest.raises(SourceError, match="cannot be loaded"):
        load_network(tmp_path)


def test_embeddings_come_back(tmp_path: Path) -> None:
    options = {"numeric_embeddings": {"name": "periodic", "width": 4}, "residual": True}
    spec = NetworkSpec("mlp", options, (7,), 1, "regression", category_sizes=(3, 5))
    network = spec.build().eval()
    save_network(tmp_path, network, spec)
    loaded, found = load_network(tmp_path)
    assert found == spec
    x = torch.cat([torch.randn(6, 5), torch.tensor([[2.0, 4.0]]).expand(6, 2)], 1)
    assert torch.equal(loaded(x), network(x))


def test_a_spec_of_before_embeddings_is_read(tmp_path: Path) -> None:
    save_network(tmp_path, SPEC.build(), SPEC)
    spec = json.loads((tmp_path / "spec.json").read_text(encoding="utf-8"))
    del spec["category_sizes"]
    (tmp_path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    assert load_network(tmp_path)[1] == SPEC
