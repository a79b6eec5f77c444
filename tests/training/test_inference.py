"""Outputs for many rows: in chunks that memory can hold, the same as all at once."""

import pytest
import torch

from layerline.networks import build_network
from layerline.training import inference as predicting
from layerline.training.inference import predict, rows_at_once


@pytest.mark.parametrize(
    ("network", "options", "shape", "n_bytes", "expected"),
    [
        # 4 channels of 8 x 8 float32 are 1 KiB.
        ("cnn", {"channels": [4]}, (1, 8, 8), 2**20, 1024),
        ("cnn", {"channels": [4]}, (1, 8, 8), 100 * 2**10, 64),
        ("cnn", {"channels": [4]}, (1, 8, 8), 1, 1),
        ("cnn", {"channels": [4]}, (1, 8, 8), 2**28, 2048),
        ("mlp", {"hidden": [8]}, (4,), 1, 2048),
    ],
)
def test_the_widest_layer_decides_how_many_images_pass_at_once(
    monkeypatch, network, options, shape, n_bytes, expected
) -> None:
    monkeypatch.setattr(predicting, "_LARGEST_ACTIVATION", n_bytes)
    built = build_network(network, options, input_shape=shape, d_out=3)
    assert rows_at_once(built, torch.zeros(40, *shape)) == expected
    assert not any(module._forward_hooks for module in built.modules())


def test_a_few_images_pass_without_a_look_at_the_layers() -> None:
    built = build_network("cnn", {"channels": [4]}, input_shape=(1, 8, 8), d_out=3)
    passes: list[int] = []
    built.register_forward_hook(lambda module, inputs, output: passes.append(len(output)))
    predict(built, torch.zeros(3, 1, 8, 8))
    assert passes == [3]


def test_chunks_give_what_all_rows_give(monkeypatch) -> None:
    built = build_network("cnn", {"channels": [4]}, input_shape=(1, 8, 8), d_out=3)
    x = torch.randn(70, 1, 8, 8)
    whole = predict(built, x)
    monkeypatch.setattr(predicting, "_LARGEST_ACTIVATION", 2**14)
    torch.testing.assert_close(predict(built, x), whole)
