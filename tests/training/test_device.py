"""Threads: counted from the network's work, and part of what is written down."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from layerline.config import TrainSection
from layerline.networks import build_network
from layerline.training import dataset as rows_module
from layerline.training import device
from layerline.training.dataset import load_rows
from layerline.training.device import choose_threads, count_operations


def test_operations_are_those_of_the_matrix_products() -> None:
    network = build_network("mlp", {"hidden": [20, 5]}, input_shape=(7,), d_out=3)
    assert count_operations(network, (7,)) == 2 * (7 * 20 + 20 * 5 + 5 * 3)
    convolving = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(256, 2))
    assert count_operations(convolving, (1, 8, 8)) == 2 * (64 * 4 * 9 + 256 * 2)
    options = {"channels": [4], "hidden": [5]}
    by_pixel = build_network("conv1x1_mlp", options, input_shape=(1, 3, 3), d_out=2)
    assert count_operations(by_pixel, (1, 3, 3)) == 2 * (9 * 4 + 9 * 4 * 5 + 5 * 2)


def test_counting_leaves_no_trace() -> None:
    network = build_network("mlp", {"hidden": [8]}, input_shape=(4,), d_out=2).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    count_operations(network, (4,))
    assert network.training
    assert torch.equal(torch.get_rng_state(), random)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 2), (12, 8)])
def test_a_tiny_network_takes_one_thread_and_a_large_one_the_cores(
    monkeypatch, cores, expected
) -> None:
    monkeypatch.setattr(device, "usable_cores", lambda: cores)
    tiny = build_network("mlp", {"hidden": [32]}, input_shape=(8,), d_out=2)
    large = build_network("mlp", {"hidden": [512, 512]}, input_shape=(784,), d_out=10)
    assert choose_threads("auto", tiny, (8,), 64) == 1
    assert choose_threads("auto", large, (784,), 256) == expected
    assert choose_threads(3, tiny, (8,), 64) == 3


@pytest.mark.parametrize(
    ("task", "batch_size", "native", "expected"),
    [
        ("multiclass", 256, True, "bfloat16"),
        ("binary", 256, True, "bfloat16"),
        ("regression", 256, True, "float32"),
        ("multiclass", 2, True, "float32"),
        ("multiclass", 256, False, "float32"),
    ],
)
def test_auto_is_bfloat16_for_classes_where_it_pays(
    monkeypatch, task, batch_size, native, expected
) -> None:
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda where: native)
    network = build_network("mlp", {"hidden": [256, 256]}, input_shape=(784,), d_out=1)
    auto = TrainSection(batch_size=batch_size, device="cpu")
    assert device.settle_precision(auto, network, (784,), task).precision == expected
    asked = dataclasses.replace(auto, precision="bfloat16")
    assert device.settle_precision(asked, network, (784,), task) == asked


@pytest.mark.parametrize("most_bytes", [1e9, 100])
def test_rows_too_large_for_memory_stay_on_disk_and_give_the_same_batches(
    tmp_path, most_bytes
) -> None:
    x = np.arange(60, dtype=np.float32).reshape(20, 3)
    np.save(tmp_path / "train_x.npy", x)
    np.save(tmp_path / "train_y.npy", np.arange(20) % 2)
    rows = load_rows(tmp_path, "train", most_bytes).to(torch.device("cpu"))
    assert rows.is_streamed == (most_bytes == 100)
    batch = torch.tensor([5, 0, 19])
    found_x, found_y = rows.take(batch)
    assert np.array_equal(found_x.numpy(), x[[5, 0, 19]])
    assert found_y.tolist() == [1, 0, 1]


def test_what_else_runs_decides_no_order(tmp_path, monkeypatch) -> None:
    np.save(tmp_path / "train_x.npy", np.zeros((20, 3), dtype=np.float32))
    np.save(tmp_path / "train_y.npy", np.arange(20) % 2)
    monkeypatch.setattr(rows_module, "_has_room", lambda n_bytes, where: False)
    rows = load_rows(tmp_path, "train")
    assert not rows.is_streamed  # mapped, since nothing is free, but read as if it were not
    monkeypatch.setattr(rows_module, "memory_bytes", lambda: 100)
    assert load_rows(tmp_path, "train").is_streamed


def test_generators_come_back_to_where_they_were() -> None:
    state = device.random_state(torch.device("cpu"))
    drawn = torch.rand(3)
    device.set_random_state(state)
    assert torch.equal(torch.rand(3), drawn)
