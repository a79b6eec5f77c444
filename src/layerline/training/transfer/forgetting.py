"""Forgetting: the loss of each row that the source knew, before and after the training.

The source's side is computed before the training, so that what does not fit is reported first. Both
networks read the raw rows through their own preprocessor and answer as they would be used: each
chooses among all of its classes, without temperature or threshold, which only evaluate fits.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layerline.errors import ParamsError, Problem
from layerline.networks.serialization import NetworkSpec
from layerline.scaling.preprocessing.categories import codes_of
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.target_transforms import read_curve
from layerline.training.inference import predict
from layerline.training.objectives import read_link
from layerline.training.transfer.source_rows import WHERE, Holdout, read_holdout
from layerline.training.transfer.source_weights import Source

Losses = dict[str, NDArray[np.float64]]


@dataclasses.dataclass(frozen=True)
class ForgettingCheck:
    """Rows ready for the trained network, and the losses of the source.

    `facts` are JSON values: how many rows, which classes are measured, or why none is. `before` is
    the source's loss of each row by figure, as `Predictions.row_losses` has it: accuracy (1 where
    wrong) and log_loss, or rmse (squared error) and mae. All is empty where
    nothing is measured.
    """

    facts: Mapping[str, Any]
    spec: NetworkSpec
    x: Tensor
    truth: NDArray[Any]
    before: Losses

    def finish(self, network: nn.Module) -> dict[str, Tensor]:
        """(2, B) losses by figure: the source's, and those of the trained network."""
        if not self.before:
            return {}
        after = _losses(network, self.spec, self.x, self.truth)
        return {
            name: torch.from_numpy(np.stack([self.before[name], after[name]])) for name in after
        }

    def describe(self) -> str:
        """One line for the user."""
        if self.facts["reason"]:
            return f"forgetting is not measured: {self.facts['reason']}"
        left = self.facts["n_left_out"]
        return f"forgetting is measured on {self.facts['n_rows']:,} rows of the source" + (
            f"; {left:,} more are of classes that no longer exist: {self.facts['classes_left_out']}"
            if left
            else ""
        )


def open_check(
    path: Path,
    source: Source,
    spec: NetworkSpec,
    here: Preprocessor,
    columns: Mapping[str, str | None],
) -> ForgettingCheck:
    """Read the rows and predict them with the source.

    Args:
        path: as `read_holdout` takes it.
        source: the weights that training starts from.
        spec: the network that is to be trained.
        here: its preprocessor.
        columns: train.transfer.columns.

    Raises:
        ParamsError: the source is weights alone, so that its predictions are unknown.
        SourceError, DataError: the rows are missing, damaged, or not such as the source reads.
    """
    if source.spec is None or source.preprocessor is None:
        message = (
            f"{source.name} has weights only, and what it predicts for raw rows is unknown; "
            "remove forgetting, or start from a model that has its preprocessor"
        )
        raise ParamsError([Problem(WHERE, message)])
    holdout = read_holdout(path, source.preprocessor)
    target = holdout.frame[source.preprocessor.target]
    reason, keep = _comparable(source.spec, spec, source.preprocessor, here, target)
    facts = _facts(holdout, source.spec, spec, target, keep)
    if reason:
        facts |= {"reason": reason, "n_rows": 0}
        return ForgettingCheck(facts, spec, torch.empty(0), np.empty(0), {})
    x_source = torch.from_numpy(holdout.transform(source.preprocessor)[keep])
    absent, renamed = _as_here(holdout, here, columns)
    facts["columns_absent"] = absent
    x = torch.from_numpy(renamed.transform(here)[keep])
    truth = [_truth(target, classes)[keep] for classes in (source.spec.classes, spec.classes)]
    before = _losses(_rebuilt(source), source.spec, x_source, truth[0])
    return ForgettingCheck(facts, spec, x, truth[1], before)


def _comparable(
    theirs: NetworkSpec,
    ours: NetworkSpec,
    source: Preprocessor,
    here: Preprocessor,
    target: Any,
) -> tuple[str, NDArray[np.bool_]]:
    """Why nothing can be compared ("" if something can), and the rows (B,) that can."""
    everything = np.asarray(target.notna())
    if (theirs.classes is None) != (ours.classes is None):
        return "one of the two networks predicts classes, the other a number", everything
    if ours.classes is None or theirs.classes is None:
        if source.target != here.target:
            return (
                f"the source predicts {source.target!r}, the new network {here.target!r}",
                everything,
            )
        return "", everything
    shared = _shared(theirs.classes, ours.classes)
    keep = codes_of(target, shared) >= 0 if shared else ~everything
    if not shared:
        names = ", ".join(map(str, theirs.classes[:10]))
        reason = (
            f"none of the source's classes ({names}) is left, so its head was replaced; measuring "
            "whether the rest still separates them would need another head"
        )
        return reason, keep
    return ("" if keep.any() else "no row is of a class that both know"), keep


def _shared(theirs: Sequence[Any], ours: Sequence[Any]) -> list[Any]:
    known = {(type(label), label) for label in ours}
    return [label for label in theirs if (type(label), label) in known]


def _facts(
    holdout: Holdout,
    theirs: NetworkSpec,
    ours: NetworkSpec,
    target: Any,
    keep: NDArray[np.bool_],
) -> dict[str, Any]:
    lost: list[str] = []
    if theirs.classes is not None and ours.classes is not None:
        shared = _shared(theirs.classes, ours.classes)
        lost = [str(label) for label in theirs.classes if label not in shared]
    return {
        "sha256": holdout.sha256,
        "is_test": holdout.is_test,
        "n_rows": int(keep.sum()),
        "n_left_out": int(len(target) - keep.sum()),
        "classes_left_out": lost,
        "columns_absent": [],
        "reason": "",
    }


def _as_here(
    holdout: Holdout, here: Preprocessor, columns: Mapping[str, str | None]
) -> tuple[list[str], Holdout]:
    """The rows under the names of the new data; columns they lack are gaps, and named."""
    if holdout.images is not None:
        return [], holdout
    names = {old: new for old, new in columns.items() if new is not None}
    frame = holdout.frame.rename(columns=names)
    absent = [name for name in here.input_columns if name not in frame]
    gaps: dict[str, Any] = {item.name: np.datetime64("NaT") for item in here.dates}
    gaps |= dict.fromkeys((item.name for item in here.categories), None)
    for name in absent:
        frame[name] = gaps.get(name, np.nan)
    return absent, dataclasses.replace(holdout, frame=frame)


def _rebuilt(source: Source) -> nn.Module:
    """The source's network; torch's generator stays where it is, for the training's bytes."""
    assert source.spec is not None
    with torch.random.fork_rng(devices=[]):
        network = source.spec.build()
    network.load_state_dict(dict(source.weights))
    return network


def _truth(target: Any, classes: Sequence[Any] | None) -> NDArray[Any]:
    if classes is None:
        return np.asarray(target, dtype=np.float64)
    return codes_of(target, classes)


def _losses(network: nn.Module, spec: NetworkSpec, x: Tensor, truth: NDArray[Any]) -> Losses:
    outputs = predict(network, x)
    if spec.classes is not None:
        log_p = torch.log_softmax(outputs.double(), dim=1).numpy()
        wrong = log_p.argmax(axis=1) != truth
        chosen = np.maximum(log_p[np.arange(len(truth)), truth], np.log(np.finfo(float).tiny))
        return {"accuracy": wrong.astype(np.float64), "log_loss": -chosen}
    link = read_link(spec.link)
    numbers = link.numbers(outputs.numpy(), spec.target_center, spec.target_scale)
    found = read_curve(spec.target_curve).restore(numbers)[:, link.middle]
    return {"rmse": np.square(found - truth), "mae": np.abs(found - truth)}
