"""A training's start from a source, in a workspace: what is trained, and what would be.

Importing it imports pandas: it reads preprocessors.
"""

import dataclasses
from collections.abc import Callable

from torch import nn

from layerline.artifacts import SourceFiles, Workspace, read_json_as
from layerline.config import Params, TransferSection
from layerline.networks.serialization import NetworkSpec
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.training.learner import Learner
from layerline.training.setup import TrainingSetup, read_setup
from layerline.training.transfer.forgetting import ForgettingCheck, open_check
from layerline.training.transfer.start import (
    FeatureCache,
    Plan,
    features_folder,
    make_plan,
    report_plan,
    start_learner,
)


def start_from(
    source: SourceFiles,
    workspace: Workspace,
    setup: TrainingSetup,
    network: nn.Module,
    report: Callable[[str], None],
) -> Learner:
    """What is trained: `network` with the weights of `source`, or its head alone.

    Raises:
        ParamsError: what does not fit, all at once.
        SourceError: the source is damaged, or not what params.yaml specifies.
    """
    plan, check = _open(source, workspace, _transfer_of(setup), network, setup.spec)
    report_plan(plan, report)
    spec = dataclasses.asdict(setup.spec)
    about = {"spec": spec, "data": setup.files, "threads": setup.threads}
    cache = FeatureCache(features_folder(workspace), about)
    learner = start_learner(plan, setup.section, Learner(network, setup.data), cache, report)
    if check is not None:
        report(check.describe())
    return dataclasses.replace(learner, forgetting=check)


def plan_training(workspace: Workspace, params: Params, source: SourceFiles) -> Plan:
    """What `train` would start from and let learn; nothing is written.

    Raises:
        SourceError: data/scaled or the source is missing or damaged.
        ParamsError: what does not fit, all at once.
    """
    setup, network = read_setup(workspace, params)
    plan, check = _open(source, workspace, _transfer_of(setup), network, setup.spec)
    if check is None:
        return plan
    return dataclasses.replace(plan, notes=(*plan.notes, check.describe()))


def _transfer_of(setup: TrainingSetup) -> TransferSection:
    assert setup.section.transfer is not None
    return setup.section.transfer


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
    here = read_json_as(workspace.preprocessor / "preprocessor.json", Preprocessor.from_json)
    return plan, open_check(source.holdout, plan.source, spec, here, transfer.columns)
