"""The answers that decisions are fitted on: for rows that the answering network did not learn from.

Those are the validation rows; with train.folds all rows, each answered by the networks of its fold.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from layerline.artifacts import OUT_OF_FOLD
from layerline.errors import SourceError
from layerline.evaluation.predictions import Floats, Ints
from layerline.training.dataset import Rows
from layerline.training.fold_rows import join
from layerline.training.inference import predict


class HeldOut(NamedTuple):
    """Outputs (B, O), and the rows that they are for.

    Out of fold, `folds` (B,) say which one held a row out; of other rows `by_fold` may have the
    outputs of each fold's networks.
    """

    outputs: NDArray[np.float32]
    rows: Rows
    is_out_of_fold: bool = False
    folds: Ints | None = None
    by_fold: Sequence[NDArray[np.float32]] | None = None

    @property
    def multiples(self) -> Floats | None:
        """(B,) what each row counts, 1 on average; None where rows have no weights."""
        weights = self.rows.weights
        return None if weights is None else (weights / weights.mean()).numpy()


def read_held_out(folder: Path, network: nn.Module, rows: Mapping[str, Rows]) -> HeldOut:
    """What the decision is fitted on; `folder` is models/network, `rows` the splits by name.

    Raises:
        SourceError: the answers out of fold are damaged, or of other rows.
    """
    path = folder / OUT_OF_FOLD
    if not path.is_file():
        return HeldOut(predict(network, rows["valid"].x).numpy(), rows["valid"])
    try:
        found = load_file(path)
        outputs, places, _ = found["outputs"].numpy(), found["row"], found["fold"]
    except (OSError, SafetensorError, KeyError) as error:
        raise SourceError(f"{path}: damaged ({error}); run `dvc repro -f train`") from None
    everything = join(rows["train"], rows["valid"])
    if int(places.max()) >= len(everything):
        raise SourceError(f"{path}: is of other rows than data/scaled; run `dvc repro`")
    return HeldOut(outputs, everything.at(places), True, found["fold"].numpy())
