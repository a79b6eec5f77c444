"""The convolutional network: sizes, and the order of its pixels in memory."""

from pathlib import Path

import pytest
import torch
from torch import nn

from layerline.networks.cnn import CNN
from layerline.networks.serialization import NetworkSpec, load_network, save_network


@pytest.mark.parametrize("side", [1, 5, 8, 28, 64])
def test_images_of_any_size_are_read(side: int) -> None:
    cnn = CNN(input_shape=(1, side, side), d_out=3)
    assert cnn(torch.randn(2, 1, side, side)).shape == (2, 3)


def test_channels_and_convolutions_are_as_asked() -> None:
    cnn = CNN(input_shape=(3, 16, 16), d_out=3, channels=(4, 6), convs_per_block=2, kernel=5)
    shapes = [tuple(m.weight.shape) for m in cnn.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == [(4, 3, 5, 5), (4, 4, 5, 5), (6, 4, 5, 5), (6, 6, 5, 5)]
    assert cnn.d_hidden == 6 * 4 * 4


def test_filters_lie_channels_last_also_when_they_were_loaded(tmp_path: Path) -> None:
    spec = NetworkSpec("cnn", {}, (1, 8, 8), 3, "multiclass", ("a", "b", "c"))
    save_network(tmp_path, spec.build(), spec)
    for network in (spec.build(), load_network(tmp_path)[0]):
        filters = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert all(f.is_contiguous(memory_format=torch.channels_last) for f in filters)
