"""From params.yaml and the manifest of data/scaled to the network that is to be trained."""

from collections.abc import Mapping
from typing import Any

from layerline.config import Params
from layerline.errors import ParamsError, Problem
from layerline.lookup import pick
from layerline.networks.serialization import NetworkSpec
from layerline.tables.targets import read_targets
from layerline.training.augmentation import AUGMENTATIONS
from layerline.training.dataset import Rows
from layerline.training.objectives import (
    IDENTITY,
    TargetFacts,
    build_link,
    describe_targets,
    n_outputs,
)


def describe_data(data: Mapping[str, Any], rows: Rows) -> TargetFacts:
    """What a loss may know of the targets; `data` is the manifest of data/scaled."""
    n_classes = None if data["classes"] is None else len(data["classes"])
    center, scale = data["target_center"], data["target_scale"]
    return describe_targets(rows.y, n_classes=n_classes, center=center, scale=scale)


def build_spec(params: Params, data: Mapping[str, Any], facts: TargetFacts) -> NetworkSpec:
    """The network that params.yaml asks for, as large as the arrays need it.

    Raises:
        ParamsError: a component is not known, or the scaled arrays do not allow it.
    """
    classes, task, loss = data["classes"], data["task"], params.train.loss
    targets = read_targets(data.get("targets"))
    link = build_link(loss, task, facts)
    curve, sizes = data.get("target_curve"), tuple(data.get("category_sizes", ()))
    _require_fitting(params, link.name, curve, sizes)
    return NetworkSpec(
        network=params.train.network,
        options=params.train.options,
        input_shape=tuple(data["shape"]),
        d_out=n_outputs(loss, task, None if classes is None else len(classes), len(targets) or 1),
        task=task,
        classes=None if classes is None else tuple(classes),
        target_center=data["target_center"],
        target_scale=data["target_scale"],
        link=None if link == IDENTITY else link.to_json(),
        category_sizes=sizes,
        target_curve=curve,
        targets=targets,
    )


def _require_fitting(
    params: Params, link: str, curve: dict[str, Any] | None, sizes: tuple[int, ...]
) -> None:
    """Refuse what the scaled arrays do not allow."""
    problems = []
    curved = None if curve is None or curve["name"] == "none" else curve["name"]
    if link == "log" and curved:
        message = f"counts must not be transformed, and scale.target is {curved}; set it to none"
        problems.append(Problem("train.loss", message))
    stopping = params.train.early_stopping
    if stopping and stopping.target and stopping.metric in ("error", "mae") and curved:
        message = (
            f"the error is monitored on the {curved} scale of scale.target; set metric: loss and "
            "give a loss, or set scale.target: none"
        )
        problems.append(Problem("train.early_stopping.target", message))
    augments = [augment.name for augment in params.train.augment]
    mixing = [name for name in augments if pick(AUGMENTATIONS, name, "train.augment").mixes_rows]
    if mixing and sizes:
        message = f"{mixing[0]!r} would mix the codes of categories; set scale.categorical: one_hot"
        problems.append(Problem("train.augment", message))
    if problems:
        raise ParamsError(problems)
