"""data/scaled with one fold of its train and validation rows to validate on, the rest to train on.

The preprocessor stays the one that was fitted on the project's train rows, as with train.folds.
"""

from pathlib import Path

import numpy as np
import torch

from layerline.artifacts import read_manifest, replace_folder
from layerline.config import Params
from layerline.errors import ParamsError, Problem
from layerline.projects.combinations import fold_problems
from layerline.training.dataset import load_rows
from layerline.training.fold_rows import deal_folds, join

_SPLITS = ("train", "valid")
_WHERE = "folds"


def require_foldable(params: Params) -> None:
    """Refuse params whose rows are dealt already, or whose features know what a fold holds out.

    Raises:
        ParamsError: with every problem found.
    """
    if params.train.folds is not None:
        message = "train.folds deals the same rows to networks of one model; keep one of the two"
        raise ParamsError([Problem(_WHERE, message)], "study")
    if problems := [Problem(_WHERE, message) for message in fold_problems(params)]:
        raise ParamsError(problems, "study")


def require_folds(scaled: Path, n_folds: int, seed: int) -> None:
    """Refuse folds that cannot be made of the rows of data/scaled.

    Raises:
        DataError: there are too few rows, groups or times.
    """
    y = np.concatenate([np.load(scaled / f"{split}_y.npy") for split in _SPLITS])
    deal_folds(scaled, torch.from_numpy(y), n_folds, seed, where=_WHERE)


def write_fold(scaled: Path, target: Path, *, n_folds: int, number: int, seed: int) -> None:
    """Write a data/scaled whose validation rows are one fold, and without test rows.

    Args:
        scaled: the folder data/scaled.
        target: the folder to write.
        n_folds: how many there are; equal rows and groups stay together, times in their order.
        number: of the fold, from 0.
        seed: deals the rows.

    Raises:
        DataError: there are too few rows, groups or times.
        ParamsError: the rows do not fit into the memory.
    """
    manifest = read_manifest(scaled)
    about = {key: value for key, value in manifest.items() if key not in ("files", "format")}
    train, valid = (load_rows(scaled, split) for split in _SPLITS)
    joined = join(train, valid, where=_WHERE)
    fold = deal_folds(scaled, joined.y, n_folds, seed, where=_WHERE)[number]
    parts = dict(zip(_SPLITS, (fold.train.numpy(), fold.held_out.numpy()), strict=True))
    about["n_rows"] = {split: len(places) for split, places in parts.items()}
    kinds = [name.removeprefix("train_") for name in manifest["files"] if name.startswith("train_")]
    with replace_folder(target, about) as folder:
        for kind in kinds:
            both = [np.load(scaled / f"{split}_{kind}", mmap_mode="r") for split in _SPLITS]
            values = np.concatenate(both)
            for split, places in parts.items():
                np.save(folder / f"{split}_{kind}", values[places])
