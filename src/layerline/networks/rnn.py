"""Recurrent networks that read an image row by row."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from layerline.kernels.dropout import Dropout
from layerline.kernels.linear import Linear
from layerline.lookup import one_of
from layerline.networks.blocks import Probability, Width

CELLS: dict[str, type[nn.GRU | nn.LSTM | nn.RNN]] = {
    "gru": nn.GRU,
    "lstm": nn.LSTM,
    "plain": nn.RNN,
}

Cell = Annotated[str, one_of(CELLS)]


class RNN(nn.Module):
    """The image's rows as the steps of a sequence, from the top down, or both ways.

    Options:
        cell: what a step computes.
        hidden: the width of a step's state.
        layers: how many, one above the other.
        bidirectional: read the rows from both ends.
        dropout: the share of features that are dropped between layers and before the head.
        readout: what the head reads: the last step's outputs of each direction, or the mean or
            maximum over all steps.

    Shape: (B, C, H, W), float32 -> (B, d_out); (B, d_hidden) when `d_out` is None.

    Source: Cho et al., Learning Phrase Representations (2014) for the GRU; Hochreiter and
    Schmidhuber, Long Short-Term Memory (1997); Elman, Finding Structure in Time (1990); Schuster
    and Paliwal, Bidirectional Recurrent Neural Networks (1997).

    >>> import torch
    >>> RNN(input_shape=(1, 8, 8), d_out=3, hidden=4)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        d_out: int | None,
        cell: Cell = "gru",
        hidden: Width = 128,
        layers: Annotated[int, Field(ge=1)] = 1,
        bidirectional: bool = True,
        dropout: Probability = 0.2,
        readout: Literal["last", "mean", "max"] = "max",
    ) -> None:
        super().__init__()
        n_channels, _, width = input_shape
        self.steps = CELLS[cell](
            n_channels * width,
            hidden,
            num_layers=layers,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.readout = readout
        self.d_hidden = hidden * (1 + bidirectional)
        self.dropout = Dropout(dropout)
        self.head = nn.Identity() if d_out is None else Linear(self.d_hidden, d_out)
        self._initialise()

    def _initialise(self) -> None:
        """Orthogonal recurrent weights keep a signal's size over the steps; biases start at zero.

        Source: Saxe et al., Exact Solutions to the Nonlinear Dynamics of Learning (2014); an LSTM's
        forget gates start open (Jozefowicz et al., 2015).
        """
        hidden = self.steps.hidden_size
        for name, parameter in self.steps.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
                if isinstance(self.steps, nn.LSTM) and name.startswith("bias_ih"):
                    nn.init.ones_(parameter[hidden : 2 * hidden])
            else:
                start = nn.init.orthogonal_ if "_hh_" in name else nn.init.xavier_uniform_
                for gate in parameter.split(hidden):
                    start(gate)

    def forward(self, x: Tensor) -> Tensor:
        # (B, C, H, W) -> (H, B, C W): time first, so that each step's rows lie together.
        outputs, last = self.steps(x.permute(2, 0, 1, 3).flatten(2))
        if self.readout == "last":
            hidden = last[0] if isinstance(last, tuple) else last
            ends = hidden.unflatten(0, (self.steps.num_layers, -1))[-1]
            read = ends.transpose(0, 1).flatten(1)
        else:
            read = outputs.mean(0) if self.readout == "mean" else outputs.amax(0)
        return self.head(self.dropout(read))
