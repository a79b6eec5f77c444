"""What must fit between a source and the new data, checked before anything is trained.

Everything that does not fit is reported at once: what, where, and how to map it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerline.config import TransferSection
from layerline.errors import ParamsError, Problem
from layerline.lookup import read_options
from layerline.networks import SIZES, find_network
from layerline.networks.serialization import NetworkSpec
from layerline.training.objectives import CLASSES
from layerline.training.transfer.column_matching import (
    FeatureMap,
    column_problems,
    kind_problems,
    map_features,
)
from layerline.training.transfer.source_weights import Source

if TYPE_CHECKING:
    from layerline.scaling.preprocessing.preprocessor import Preprocessor

HEAD = "train.transfer.head"
NEW_HEAD = "set train.transfer.head: new to train a head from scratch"


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How features match (None for images or where nothing is known), and notes for the user."""

    features: FeatureMap | None
    notes: tuple[str, ...]


def check_contract(
    section: TransferSection, source: Source, spec: NetworkSpec, here: "Preprocessor"
) -> Agreement:
    """Compare columns, encodings, scaling, classes and input shape.

    Args:
        section: train.transfer.
        source: the weights and what is known of them.
        spec: the network that is to be trained.
        here: the preprocessor of the new data.

    Raises:
        ParamsError: with everything that does not fit.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    features = None
    if source.spec is not None:
        problems += _network_problems(source.spec, spec)
        problems += _head_problems(section, source, spec, here)
    if source.preprocessor is None:
        notes.append(
            "the columns, scaling and classes of the source are unknown: inputs are matched by "
            "position, and scaled as the new data are"
        )
    elif here.image is None and source.preprocessor.image is None:
        mapped = source.preprocessor.renamed(section.columns)
        problems += column_problems(source.preprocessor, here.input_columns, section.columns)
        problems += kind_problems(mapped, here)
        features = map_features(mapped.features, here.features)
        notes.append(_scaling_note(mapped, here))
    else:
        problems += _image_problems(source.preprocessor, here)
        notes.append(_scaling_note(source.preprocessor, here))
    if problems:
        raise ParamsError(problems)
    return Agreement(features, tuple(notes))


def _network_problems(theirs: NetworkSpec, ours: NetworkSpec) -> list[Problem]:
    if theirs.network != ours.network:
        message = (
            f"is {ours.network!r}, the source is a {theirs.network!r} network; "
            f"set train.network: {theirs.network}"
        )
        return [Problem("train.network", message)]
    builder = find_network(ours.network).build
    read = [read_options(builder, s.options, "train.options", SIZES) for s in (theirs, ours)]
    return [
        Problem(
            f"train.options.{name}",
            f"is {read[1][name]!r}, the source was trained with {read[0].get(name)!r}, and its "
            "weights fit no other value; set it as the source has it",
        )
        for name in read[1]
        # Dropout changes nothing in the trained function.
        if "drop" not in name and "depth_prob" not in name and read[0].get(name) != read[1][name]
    ]


def _head_problems(
    section: TransferSection, source: Source, spec: NetworkSpec, here: "Preprocessor"
) -> list[Problem]:
    theirs = source.spec
    assert theirs is not None
    if section.head == "new":
        return []
    both = {theirs.task, spec.task}
    if len(both) > 1 and not both <= CLASSES:
        text = f"the source's task is {theirs.task}, here it is {spec.task}; {NEW_HEAD}"
        return [Problem(HEAD, text)]
    if spec.classes is not None and theirs.classes is not None:
        return _class_problems(theirs.classes, spec.classes)
    if (theirs.d_out, _kind(theirs.link)) != (spec.d_out, _kind(spec.link)):
        text = (
            f"the source has {theirs.d_out} outputs ({_kind(theirs.link)}), here there are "
            f"{spec.d_out} ({_kind(spec.link)}): another loss; set train.loss as the source had "
            f"it, or {NEW_HEAD}"
        )
        return [Problem(HEAD, text)]
    curves = [item.to_json().get("target_curve") for item in (source.preprocessor, here) if item]
    if len(curves) == 2 and curves[0] != curves[1]:
        text = f"scale.target differs from the source's ({curves[0]}, here {curves[1]}); {NEW_HEAD}"
        return [Problem(HEAD, text)]
    return []


def _kind(link: Mapping[str, Any] | None) -> str:
    if not link:
        return "plain numbers"
    return f"quantiles {list(link['levels'])}" if link["levels"] else "logarithms of counts"


def _class_problems(theirs: Sequence[Any], ours: Sequence[Any]) -> list[Problem]:
    """Labels that differ by type alone (3 and "3") are a mistake, not other classes."""
    if set(theirs) & set(ours):
        return []
    alike = sorted(set(map(str, theirs)) & set(map(str, ours)))
    if not alike:
        return []
    text = (
        f"the source's classes are {type(theirs[0]).__name__} ({theirs[0]!r}), here they are "
        f"{type(ours[0]).__name__} ({ours[0]!r}), and {alike[0]} is in both; give the target "
        f"column the source's type, or {NEW_HEAD}"
    )
    return [Problem(HEAD, text)]


def _image_problems(theirs: "Preprocessor", ours: "Preprocessor") -> list[Problem]:
    if (theirs.image is None) == (ours.image is None):
        return []
    kinds = ["a table", "images"]
    text = (
        f"the source reads {kinds[theirs.image is not None]}, the data are "
        f"{kinds[ours.image is not None]}; choose a source of the same kind"
    )
    return [Problem("train.transfer.from", text)]


def _scaling_note(theirs: "Preprocessor", ours: "Preprocessor") -> str:
    if _is_reused(theirs, ours):
        return "the preprocessor is the source's: its inputs are scaled as in its own training"
    return (
        "the preprocessor was fitted to the new data, so the first predictions differ from the "
        "source's; `scale.preprocessor: {from: ...}` uses the source's scaling"
    )


_PROBE = (0.0, 1.0, -3.5, 1e4, float("nan"))


def _is_reused(theirs: "Preprocessor", ours: "Preprocessor") -> bool:
    """Whether columns that both read become the same features, and targets the same numbers."""
    units = ("target_center", "target_scale", "target_curve", "image")
    if any(getattr(theirs, name) != getattr(ours, name) for name in units):
        return False
    for kind in ("dates", "categories"):
        by_name = {item.name: item for item in getattr(ours, kind)}
        if any(by_name.get(item.name, item) != item for item in getattr(theirs, kind)):
            return False
    if theirs.numbers is None or ours.numbers is None:
        return True
    shared = [name for name in theirs.numbers.names if name in ours.numbers.names]
    probed = []
    for numbers in (theirs.numbers, ours.numbers):
        values = numbers.apply_values(np.tile(np.array(_PROBE)[:, None], len(numbers.names)))
        probed.append(values[:, [numbers.names.index(name) for name in shared]])
    return bool(np.array_equal(probed[0], probed[1]))
