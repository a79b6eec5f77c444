"""Trainings from known weights: what is frozen stays, and what is stopped goes on."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from layerline.config import AdaptersSection, Component, TransferSection
from layerline.kernels.linear import Linear
from layerline.networks.cnn import CNN
from layerline.networks.serialization import load_network
from layerline.training.cleanup import prune
from layerline.training.fine_tuning import FineTuning, freeze_statistics
from layerline.training.optimizers import OPTIMIZERS, split_rates
from layerline.training.snapshots import Snapshots
from layerline.training.train import train
from layerline.training.transfer.depth import blocks_of


def quiet(record):
    return None


@pytest.fixture
def run(tmp_path, source, lab):
    """Train on a new table from the source; returns the weights, what was said, the result."""

    def go(transfer, folder="new", **changes):
        workspace = lab("write_here")(tmp_path / folder, source[2])
        said = []
        params = lab("params_of")(transfer, **changes)
        result = train(workspace, params, quiet, said.append, source[0] if transfer else None)
        return load_file(workspace.network / "network.safetensors"), said, result

    return go


BACKBONE = ("blocks.0.weight", "blocks.1.weight", "blocks.1.bias", "blocks.1.running_mean")


WAYS = {
    "cached": {"mode": "feature_extraction"},
    "uncached": {"mode": "feature_extraction", "cache": False},
    "last block": {"last_blocks": 1},
    "pattern": {"learn": ("blocks.3",)},
}
# Muon turns hidden matrices, and the head is none.
PAIRS = [(way, name) for way in WAYS for name in ("adamw", "sgd", "muon") if "cached" not in way]
PAIRS += [(way, name) for way in ("cached", "uncached") for name in ("adamw", "sgd")]


@pytest.mark.parametrize(("way", "optimizer"), PAIRS)
def test_frozen_weights_and_statistics_are_bit_equal(run, source, way, optimizer):
    transfer = WAYS[way]
    chosen = Component(name=optimizer, options={"weight_decay": 0.1})
    weights, _, _ = run(transfer, optimizer=chosen, average=0.9)
    before = source[1].state_dict()
    assert all(torch.equal(weights[name], before[name]) for name in BACKBONE)
    assert not torch.equal(weights["head.weight"], before["head.weight"])
    moved = not torch.equal(weights["blocks.3.weight"], before["blocks.3.weight"])
    assert moved == (transfer.get("mode") is None)


def test_cached_features_give_the_result_of_running_the_backbone(run):
    cached, said, one = run({"mode": "feature_extraction"}, "a")
    plain, _, two = run({"mode": "feature_extraction", "cache": False}, "b")
    for name, value in cached.items():
        torch.testing.assert_close(value, plain[name], rtol=0, atol=1e-4)
    assert one.history[-1].valid_loss == pytest.approx(two.history[-1].valid_loss, abs=1e-4)
    assert any("computed and kept in features/" in text for text in said)
    _, again, _ = run({"mode": "feature_extraction"}, "a")
    assert any("read from features/" in text for text in again)


def test_damaged_features_are_computed_again(tmp_path, run):
    first, _, _ = run({"mode": "feature_extraction"})
    (file,) = (tmp_path / "new" / ".layerline" / "features").glob("*/train_x.npy")
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    second, said, _ = run({"mode": "feature_extraction"})
    assert any("computed and kept" in text for text in said)
    assert torch.equal(first["head.weight"], second["head.weight"])


def test_old_and_large_features_are_removed(tmp_path):
    import os
    import time

    for age, name in enumerate(("new", "older", "ancient", ".ancient.1.tmp")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(b"0" * 100)
        stamp = time.time() - age * 20 * 86_400
        os.utime(tmp_path / name, (stamp, stamp))
    assert prune(tmp_path, keep_days=30) == ["ancient"]
    assert prune(tmp_path, keep_bytes=150) == ["older"]
    assert not (tmp_path / ".ancient.1.tmp").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


MODES = {
    "gradual": {"head_epochs": 1, "unfreeze_every": 1, "rate_decay": 0.5},
    "l2_sp": {"l2_sp": 0.1},
    "adapters": {"adapters": AdaptersSection(rank=2)},
    "feature_extraction": {"mode": "feature_extraction"},
}


class Stopped(Exception):
    pass


@pytest.mark.parametrize("mode", MODES)
def test_interrupted_it_goes_on_to_the_same_bytes(tmp_path, source, lab, monkeypatch, mode):
    monkeypatch.setattr("layerline.training.snapshots.EVERY_SECONDS", 0)
    original = Snapshots.__init__
    monkeypatch.setattr(
        Snapshots, "__init__", lambda self, folder: original(self, folder, every_seconds=0)
    )
    networks = []
    for folder, stops in (("whole", ()), ("parts", (1, 3))):
        workspace = lab("write_here")(tmp_path / folder, source[2])
        params = lab("params_of")(MODES[mode], epochs=5, average=0.9)
        for epoch in stops:

            def stop(record, epoch=epoch):
                if record.epoch == epoch + 1:
                    raise Stopped

            with pytest.raises(Stopped):
                train(workspace, params, stop, source=source[0])
        told = []
        train(workspace, params, told.append, source=source[0])
        assert [record.epoch for record in told] == [1, 2, 3, 4, 5]
        networks.append((workspace.network / "network.safetensors").read_bytes())
    assert networks[0] == networks[1]


def test_unfreezing_goes_block_by_block_from_the_head(source):
    network = source[1]
    names = [name for name, _ in network.named_parameters()]
    first = {n: 1 if "head" in n else 2 if n[7] in "34" else 3 for n in names}
    fine_tuning = FineTuning(first)
    fine_tuning.freeze(network)
    for epoch in (1, 2, 3):
        network.train()
        fine_tuning.begin_epoch(network, epoch)
        learns = {name for name, p in network.named_parameters() if p.requires_grad}
        assert learns == {name for name in names if first[name] <= epoch}
        assert network.blocks[1].training == (epoch == 3)
        assert network.blocks[4].training == (epoch >= 2)


def test_norms_without_weights_go_with_the_layer_before_them():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    freeze_statistics(network.train())
    assert not network[1].training


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "lbfgs"])
def test_rates_of_their_own_move_weights_by_their_factor(name):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    builder = OPTIMIZERS[name].build
    optimizer = builder(network, learning_rate=0.1)
    slow = dict.fromkeys(network[0].parameters(), 0.25)
    split_rates(optimizer, slow)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rates) == 6
    assert {rates[id(p)] for p in network[0].parameters()} == {0.025}
    assert {rates[id(p)] for p in network[2].parameters()} == {0.1}
    before = network[0].weight.clone()
    network(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    assert not torch.equal(before, network[0].weight)


def test_one_rate_optimizers_refuse_rates_by_depth(run):
    from layerline.errors import ParamsError

    with pytest.raises(ParamsError, match="'lbfgs' has one rate for all"):
        run({"rate_decay": 0.5}, optimizer=Component(name="lbfgs"))


def test_a_pull_keeps_weights_near_the_source(run, source):
    def distance(weights):
        before = source[1].state_dict()["blocks.0.weight"]
        return float((weights["blocks.0.weight"] - before).norm())

    options = {"optimizer": Component(name="sgd", options={"learning_rate": 0.1}), "epochs": 10}
    free, pulled = (run({"l2_sp": pull}, f"p{pull}", **options)[0] for pull in (0.0, 3.0))
    assert distance(pulled) < 0.5 * distance(free)


def test_adapters_are_merged_and_the_saved_network_is_plain(run, tmp_path, source):
    weights, _, _ = run({"adapters": AdaptersSection(rank=2, on=("blocks.0",))})
    before = source[1].state_dict()
    assert set(weights) == set(before)
    change = weights["blocks.0.weight"] - before["blocks.0.weight"]
    assert torch.linalg.matrix_rank(change, tol=1e-5) == 2
    assert torch.equal(weights["blocks.3.weight"], before["blocks.3.weight"])
    network, _ = load_network(tmp_path / "new" / "models" / "network")
    assert type(network.blocks[0]) is Linear


def test_what_was_done_lies_beside_the_network(run, tmp_path, source):
    run({"mode": "feature_extraction"})
    facts = json.loads((tmp_path / "new/models/network/transfer.json").read_text())
    assert facts["source"]["from"] == "models"
    assert len(facts["source"]["sha256"]) == 64
    assert facts["counts"]["learning"] == 27
    assert facts["counts"]["frozen"] + 27 == facts["counts"]["parameters"]


def test_fine_tuning_starts_ahead_of_training_from_scratch(run, source, lab, tmp_path):
    """The source learnt the very task, so that one epoch is enough."""
    workspace = lab("write_here")(tmp_path / "first", source[2])
    fast = Component(name="adamw", options={"learning_rate": 0.02})
    train(workspace, lab("params_of")(None, epochs=20, optimizer=fast), quiet)
    files = dataclasses.replace(
        source[0],
        weights=workspace.network / "network.safetensors",
        spec=workspace.network / "spec.json",
    )
    losses = {}
    for name, found in (("scratch", None), ("tuned", files)):
        here = lab("write_here")(tmp_path / name, source[2], seed=5)
        params = lab("params_of")({} if found else None, epochs=1)
        losses[name] = train(here, params, quiet, source=found).history[0].valid_loss
    assert losses["tuned"] < 0.7 * losses["scratch"]


def test_blocks_of_networks():
    network = CNN(input_shape=(1, 8, 8), d_out=3, channels=(4, 8))
    blocks = blocks_of(network)
    assert [len(block) for block in blocks] == [3, 3, 2]
    assert blocks[-1] == ("head.weight", "head.bias")


def test_blocks_of_a_residual_network_are_its_residual_blocks():
    from layerline.networks import build_network

    network = build_network("torchvision:resnet18", {}, input_shape=(3, 32, 32), d_out=2)
    blocks = blocks_of(network)
    assert len(blocks) == 10
    assert blocks[0] == ("conv1.weight", "bn1.weight", "bn1.bias")
    assert blocks[-2][0] == "layer4.1.conv1.weight"
    assert sum(map(len, blocks)) == len(list(network.parameters()))


def test_augmented_rows_are_not_kept(tmp_path, lab):
    affine = {"center": [0.0], "scale": [1.0], "clip": False}
    here = lab("table_preprocessor")([], image=affine, image_shape=[8, 8])
    spec = lab("spec_of")(here, network="cnn", options={"channels": [4]}, input_shape=(1, 8, 8))
    files, old = lab("write_source")(tmp_path / "old", here, spec)
    workspace = lab("write_here")(tmp_path / "new", source_like(lab))
    write_images(workspace, here)
    params = lab("params_of")(
        {"mode": "feature_extraction"},
        network="cnn",
        options={"channels": [4]},
        augment=(Component(name="flip"),),
    )
    said = []
    train(workspace, params, quiet, said.append, files)
    assert any("no features are kept" in text for text in said)
    weights = load_file(workspace.network / "network.safetensors")
    for name, value in old.state_dict().items():
        assert torch.equal(weights[name], value) == (not name.startswith("head"))


def source_like(lab):
    return lab("table_preprocessor")(["a"])


def write_images(workspace, preprocessor):
    from layerline.artifacts import replace_folder, write_json

    with replace_folder(workspace.preprocessor, {}) as folder:
        write_json(folder / "preprocessor.json", preprocessor.to_json())
    about = {
        "task": "multiclass",
        "classes": list(preprocessor.classes),
        "shape": [1, 8, 8],
        "features": None,
        "target_center": 0.0,
        "target_scale": 1.0,
    }
    generator = np.random.default_rng(0)
    with replace_folder(workspace.scaled, about) as folder:
        for split in ("train", "valid", "test"):
            x = generator.normal(size=(60, 1, 8, 8)).astype(np.float32)
            np.save(folder / f"{split}_x.npy", x)
            np.save(folder / f"{split}_y.npy", np.arange(60) % 3)


def test_a_section_that_contradicts_itself_is_refused():
    for wrong, message in (
        ({"mode": "feature_extraction", "l2_sp": 1.0}, "so l2_sp has no effect"),
        (
            {"mode": "feature_extraction", "adapters": AdaptersSection()},
            "so adapters has no effect",
        ),
        ({"learn": ("a",), "last_blocks": 1}, "each choose what is trained"),
        ({"adapters": AdaptersSection(), "last_blocks": 1}, "each choose what is trained"),
    ):
        with pytest.raises(ValueError, match=message):
            TransferSection(source="x", **wrong)
