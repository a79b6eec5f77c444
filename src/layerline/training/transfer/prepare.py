"""A training's start from a source, of a workspace: what is trained, and what would be.

Importing it imports pandas: it reads preprocessors.
"""

import dataclasses
from collections.abc import Callable

from torch import nn

from layerline.artifacts import SourceFiles, Workspace, read_json
from layerline.config import Params, TransferSection
from layerline.networks.serialization import NetworkSpec
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.setup import Material, read_material
from layerline.training.trainable import Learner
from layerline.training.transfer.forgetting import ForgettingCheck, open_check
from layerline.training.transfer.start import (
    Plan,
    features_folder,
    make_plan,
    start_learner,
    tell_plan,
)


def start_from(
    source: SourceFiles,
    workspace: Workspace,
    material: Material,
    network: nn.Module,
    say: Callable[[str], None],
) -> Learner:
    """What is trained: `network` with the weights of `source`, or its head alone.

    Raises:
        ParamsError: what does not fit, all at once.
        SourceError: the source is damaged, or not what params.yaml says.
    """
    plan, check = _open(source, workspace, _transfer_of(material), network, material.spec)
    tell_plan(plan, say)
    spec = dataclasses.asdict(material.spec)
    about = {"spec": spec, "data": material.files, "threads": material.threads}
    cache = (features_folder(workspace), about)
    rows = (material.train, material.valid)
    learner = start_learner(plan, material.section, network, rows, cache, say)
    if check is not None:
        say(check.describe())
    return dataclasses.replace(learner, forgetting=check)


def plan_training(workspace: Workspace, params: Params, source: SourceFiles) -> Plan:
    """What `train` would start from and let learn; nothing is written.

    Raises:
        SourceError: data/scaled or the source is missing or damaged.
        ParamsError: what does not fit, all at once.
    """
    material, network = read_material(workspace, params)
    plan, check = _open(source, workspace, _transfer_of(material), network, material.spec)
    if check is None:
        return plan
    return dataclasses.replace(plan, notes=(*plan.notes, check.describe()))


def _transfer_of(material: Material) -> TransferSection:
    assert material.section.transfer is not None
    return material.section.transfer


def _open(
    source: SourceFiles,
    workspace: Workspace,
    transfer: TransferSection,
    network: nn.Module,
    spec: NetworkSpec,
) -> tuple[Plan, ForgettingCheck | None]:
    plan = make_plan(transfer, source, network, spec, workspace.preprocessor)
    if source.holdout is None:
        return plan, None
    here = Preprocessor.from_json(read_json(workspace.preprocessor / "preprocessor.json"))
    return plan, open_check(source.holdout, plan.source, spec, here, transfer.columns)
