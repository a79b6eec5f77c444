"""Folds: the rows that each network learns from, and the rest, on which it is judged.

Train and validation rows together are dealt, as data/scaled has them: the preprocessor stays the
one that was fitted on the train rows. Where the split is by group, groups stay whole; where it is
by time, the validation rows are cut into periods, and a network learns from what was before its
own.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layerline.artifacts import read_manifest
from layerline.errors import DataError, ParamsError, Problem
from layerline.networks.ensemble import Mean, from_averaged, to_averaged
from layerline.training.dataset import Rows


@dataclasses.dataclass(frozen=True)
class Fold:
    """One network's rows, as positions among all: `train`, and those that it never sees.

    An epoch takes `n_rows` of them, equally many in every fold: networks can then be stacked.
    """

    number: int
    train: Tensor
    held_out: Tensor
    n_rows: int


@dataclasses.dataclass(frozen=True)
class OutOfFold:
    """Outputs (M, O) for the M rows, by position (M,), that some network did not learn from."""

    outputs: Tensor
    rows: Tensor
    folds: Tensor


def join(train: Rows, valid: Rows, where: str = "train.folds") -> Rows:
    """All rows that folds are made of: those for training, then those for validation.

    `where` is what asks for folds.

    Raises:
        ParamsError: they are read from disk.
    """
    if train.is_streamed or valid.is_streamed:
        message = "the rows need more than half of the memory and are read from disk; remove it"
        raise ParamsError([Problem(where, message)])
    actual, weights = (
        None if one is None or other is None else torch.cat([one, other])
        for one, other in ((train.actual, valid.actual), (train.weights, valid.weights))
    )
    x, y = torch.cat([train.x, valid.x]), torch.cat([train.y, valid.y])
    return Rows(x, y, actual=actual, weights=weights)


def deal_folds(
    scaled: Path, y: Tensor, n_folds: int, seed: int, where: str = "train.folds"
) -> tuple[Fold, ...]:
    """The folds of the rows in data/scaled, whose targets are `y` (train, then validation rows).

    Raises:
        DataError: too few rows, groups or times; `where` is what asked for folds.
    """
    try:
        parts = _dealt_parts(scaled, y, n_folds, seed)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    n_rows = min(len(train) for train, _ in parts)
    return tuple(
        Fold(number, torch.from_numpy(train), torch.from_numpy(held_out), n_rows)
        for number, (train, held_out) in enumerate(parts)
    )


def _dealt_parts(
    scaled: Path, y: Tensor, n_folds: int, seed: int
) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """For each fold the positions of the rows to learn from, and of those held out."""
    if (scaled / "valid_time.npy").is_file():
        gap = float(read_manifest(scaled)["time_gap"])
        times = np.load(scaled / "valid_time.npy", allow_pickle=False)
        return _forward(times, len(y) - len(times), n_folds, gap)
    dealt = _deal(scaled, y, n_folds, seed)
    return [(np.flatnonzero(dealt != k), np.flatnonzero(dealt == k)) for k in range(n_folds)]


def _deal(scaled: Path, y: Tensor, n_folds: int, seed: int) -> np.ndarray[Any, Any]:
    """(B,) each row's fold: equal rows, or groups, stay together."""
    # Not at the top: it imports pandas.
    from layerline.scaling.splitting import assign_folds

    is_grouped = (scaled / "train_group.npy").is_file()
    kind = "group" if is_grouped else "id"
    named = [np.load(scaled / f"{split}_{kind}.npy") for split in ("train", "valid")]
    units, first, of_row = np.unique(np.concatenate(named), return_index=True, return_inverse=True)
    is_numbers = is_grouped or y.is_floating_point()
    classes = None if is_numbers else y.numpy()[first]
    try:
        return assign_folds(len(units), n_folds=n_folds, seed=seed, classes=classes)[of_row]
    except DataError as error:
        what = "different groups" if is_grouped else "different rows"
        raise DataError(f"{error} ({what}); lower it or remove it") from None


def _forward(
    times: np.ndarray[Any, Any], n_train: int, n_folds: int, gap: float
) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """For each period of the validation rows: the rows before it, and its own."""
    ordered = np.sort(times)
    starts = np.unique([ordered[len(ordered) * k // n_folds] for k in range(n_folds)])
    if len(starts) < n_folds:
        raise DataError(
            f"{n_folds} periods cannot be made of the validation rows, which have "
            f"{len(np.unique(times))} different times; lower it, or raise scale.split.valid"
        )
    parts = []
    for start, end in zip(starts, [*starts[1:], np.inf], strict=True):
        before = n_train + np.flatnonzero(times < start - gap)
        held_out = n_train + np.flatnonzero((times >= start) & (times < end))
        parts.append((np.concatenate([np.arange(n_train), before]), held_out))
    return parts


def out_of_fold(answers: Sequence[tuple[Fold, Tensor]], mean: Mean, n_rows: int) -> OutOfFold:
    """What networks answer for the rows they did not learn from; several for a row: their mean.

    `answers` are outputs (H, O) for the rows that a fold holds out.
    """
    total = answers[0][1].new_zeros(n_rows, answers[0][1].shape[1], dtype=torch.float64)
    counts, folds = total.new_zeros(n_rows), torch.full((n_rows,), -1)
    for fold, outputs in answers:
        rows = fold.held_out.to(total.device)
        total[rows] += to_averaged(outputs.double(), mean)
        counts[rows] += 1
        folds[fold.held_out] = fold.number
    rows = torch.nonzero(counts).flatten()
    averaged = total[rows] / counts[rows].unsqueeze(1)
    return OutOfFold(from_averaged(averaged, mean).float(), rows, folds[rows.cpu()])


def described(found: OutOfFold) -> Mapping[str, Tensor]:
    """As models/network/out_of_fold.safetensors has it."""
    tensors = {"outputs": found.outputs, "row": found.rows, "fold": found.folds}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
