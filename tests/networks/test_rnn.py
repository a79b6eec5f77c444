"""The recurrent network against its formula in NumPy."""

import numpy as np
import pytest
import torch
from torch import nn

from layerline.networks.rnn import CELLS, RNN, Cell


@pytest.mark.parametrize("readout", ["last", "mean", "max"])
def test_rows_are_the_steps_from_the_top_down(readout: str) -> None:
    torch.manual_seed(0)
    rnn = RNN(
        input_shape=(2, 6, 4), d_out=3, cell="plain", hidden=5, bidirectional=False, readout=readout
    )
    rnn.double().eval()
    x = torch.randn(7, 2, 6, 4, dtype=torch.float64)
    weights = {name: p.detach().numpy() for name, p in rnn.named_parameters()}
    h, outputs = np.zeros((7, 5)), []
    for row in range(6):
        seen = x[:, :, row].numpy().reshape(7, -1)  # all channels of one row
        h = np.tanh(seen @ weights["steps.weight_ih_l0"].T + h @ weights["steps.weight_hh_l0"].T)
        outputs.append(h)
    read = {"last": h, "mean": np.mean(outputs, axis=0), "max": np.max(outputs, axis=0)}[readout]
    expected = read @ weights["head.weight"].T + weights["head.bias"]
    np.testing.assert_allclose(rnn(x).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_last_outputs_are_those_of_both_ends(cell: Cell, bidirectional: bool) -> None:
    torch.manual_seed(0)
    rnn = RNN(
        input_shape=(1, 6, 4),
        d_out=None,
        cell=cell,
        hidden=5,
        layers=2,
        bidirectional=bidirectional,
        readout="last",
    ).eval()
    x = torch.randn(7, 1, 6, 4)
    outputs, _ = rnn.steps(x[:, 0].transpose(0, 1))
    ends = torch.cat([outputs[-1, :, :5], outputs[0, :, 5:]], 1)
    torch.testing.assert_close(rnn(x), ends)
    assert rnn.d_hidden == ends.shape[1]


def test_recurrent_weights_start_orthogonal_gate_by_gate() -> None:
    rnn = RNN(input_shape=(1, 6, 4), d_out=3, hidden=5)
    for gate in rnn.steps.weight_hh_l0.split(5):
        torch.testing.assert_close(gate @ gate.t(), torch.eye(5))


def test_an_lstm_starts_by_remembering() -> None:
    rnn = RNN(input_shape=(1, 6, 4), d_out=3, hidden=5, cell="lstm", bidirectional=False)
    bias = (rnn.steps.bias_ih_l0 + rnn.steps.bias_hh_l0).detach()
    assert bias.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def test_dropout_lies_between_layers_and_before_the_head() -> None:
    rnn = RNN(input_shape=(1, 6, 4), d_out=3, layers=2, dropout=0.3)
    assert rnn.steps.dropout == 0.3
    assert [m.p for m in rnn.modules() if isinstance(m, nn.Dropout)] == [0.3]
