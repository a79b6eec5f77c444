"""The linear map by oneDNN is torch's linear map."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from layerline.kernels import linear
from layerline.kernels.linear import Linear


@pytest.fixture(params=[True, False], ids=["bias", "no bias"])
def layers(request, monkeypatch) -> tuple[Linear, nn.Linear]:
    """One by oneDNN whatever the processor, one by torch, with the same parameters."""
    monkeypatch.setattr(linear, "mkl_lacks_avx512", lambda: True)
    torch.manual_seed(0)
    plain = nn.Linear(300, 200, bias=request.param)
    ours = Linear(300, 200, bias=request.param)
    ours.load_state_dict(plain.state_dict())
    return ours, plain


def count_calls(monkeypatch) -> list[tuple[int, ...]]:
    """The shapes of what oneDNN is given."""
    called: list[tuple[int, ...]] = []
    known = linear._by_onednn

    def counted(x, weight, bias, ends):
        called.append(tuple(x.shape))
        return known(x, weight, bias, ends)

    monkeypatch.setattr(linear, "_by_onednn", counted)
    return called


def test_outputs_and_gradients_are_torchs(layers, monkeypatch) -> None:
    called = count_calls(monkeypatch)
    x = torch.randn(128, 300)
    found = []
    for layer in layers:
        rows = x.clone().requires_grad_()
        out = layer(rows)
        (out.sin() * torch.arange(200)).sum().backward()
        found.append([out, rows.grad, *(p.grad for p in layer.parameters())])
    assert len(called) == 3
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-3)


def test_what_needs_no_gradient_costs_no_product(layers, monkeypatch) -> None:
    called = count_calls(monkeypatch)
    ours = layers[0]
    ours(torch.randn(128, 300)).sum().backward()
    assert len(called) == 2  # no gradient of the rows
    with torch.no_grad():
        ours(torch.randn(128, 300))
    assert len(called) == 3


def test_small_products_other_types_and_more_dimensions_are_torchs_own(layers, monkeypatch) -> None:
    called = count_calls(monkeypatch)
    ours, plain = layers
    for x in (torch.randn(8, 300), torch.randn(16, 8, 300)):
        assert torch.equal(ours(x), plain(x))
    assert copy.deepcopy(ours).double()(torch.randn(128, 300).double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(torch.randn(128, 300)).dtype == torch.bfloat16
    assert called == []


def test_an_exported_layer_has_torchs_operations_alone(layers) -> None:
    ours, _ = layers
    program = torch.export.export(ours, (torch.randn(128, 300),))
    names = {str(node.target) for node in program.graph.nodes}
    assert not any("mkldnn" in name for name in names)
    x = torch.randn(128, 300)
    torch.testing.assert_close(program.module()(x), F.linear(x, ours.weight, ours.bias))
