"""The train stage's work: from data/scaled to models/network and reports/history.csv."""

import csv
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import nn

from layerline.artifacts import (
    FORGETTING,
    TRANSFER,
    SourceFiles,
    Workspace,
    read_json,
    read_manifest,
    replace_file,
    replace_folder,
    write_json,
)
from layerline.config import Params
from layerline.networks.files import NetworkSpec, save_network
from layerline.training.device import choose_threads, prepare_torch, settle_precision
from layerline.training.learning import Learner
from layerline.training.loop import Training
from layerline.training.progress import progress
from layerline.training.records import EpochRecord, FitResult
from layerline.training.restarts.running import Material, Restarts
from layerline.training.rows import load_rows
from layerline.training.snapshots import Snapshots, take_up, training_key
from layerline.training.specifying import build_spec, describe_data

if TYPE_CHECKING:
    from layerline.training.transfer.forgetting import ForgettingCheck
    from layerline.training.transfer.starting import Plan

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "valid_loss",
    "valid_error",
    "learning_rate",
    "gradient_norm",
)  # no rates and times: equal trainings give equal bytes


def train(
    workspace: Workspace,
    params: Params,
    on_epoch: Callable[[EpochRecord], None],
    say: Callable[[str], None] = lambda text: None,
    source: SourceFiles | None = None,
) -> FitResult:
    """Train, or go on with a training that was killed; write the network and its history.

    With train.transfer it starts from the weights of `source`. Interrupted by Ctrl-C, it leaves the
    best network so far in models/interrupted.

    Raises:
        SourceError: data/scaled is missing or damaged.
        ParamsError: a component is not known or does not fit the task, or a source the data.
        DivergedError: the loss was not finite.
    """
    data = read_manifest(workspace.scaled)
    rows, valid = (load_rows(workspace.scaled, split) for split in ("train", "valid"))
    facts = describe_data(data, rows)
    spec = build_spec(params, data, facts)
    prepare_torch(params.seed, 1)
    network = spec.build()
    threads = choose_threads(params.threads, network, spec.input_shape, params.train.batch_size)
    torch.set_num_threads(threads)
    section = settle_precision(params.train, network, spec.input_shape, spec.task)
    params = dataclasses.replace(params, train=section)
    learner = Learner(network, rows, valid)
    if source is not None:
        learner = _start(workspace, params, data, learner, (spec, source, threads, say))
    facts_of_bytes = {
        "data": data["files"],
        "train": dataclasses.asdict(params.train),
        "seed": params.seed,
        "threads": threads,
        **({} if learner.facts is None else {"transfer": learner.facts}),
    }

    def open_snapshots(more: Mapping[str, Any]) -> Snapshots:
        key = training_key({**facts_of_bytes, **more})
        return Snapshots(workspace.home / ".layerline" / "snapshots" / key)

    if params.train.restarts is not None:
        material = Material(rows, valid, params.train, spec, facts, params.seed, threads)
        return _train_seeds(workspace, Restarts(material, open_snapshots), on_epoch, say)
    training = Training(
        learner.network,
        learner.train,
        learner.valid,
        params.train,
        task=spec.task,
        seed=params.seed,
        facts=facts,
        learning=learner.learning,
    )
    snapshots = open_snapshots({})
    _resume(snapshots, training, on_epoch, say)
    with progress(params.train.epochs, len(training.history), on_epoch, say) as listener:
        try:
            result = training.run(listener, snapshots)
        except KeyboardInterrupt:
            _keep_best(workspace, training, (learner, network), spec, say)
            raise
    about = {"kept_epoch": result.kept_epoch, "threads": threads, "precision": section.precision}
    with replace_folder(workspace.network, about) as folder:
        learner.merge(network)
        save_network(folder, network, spec)
        if learner.facts is not None:
            _save_transfer(folder, learner, network)
    write_history(workspace.reports / "history.csv", result.history)
    snapshots.discard()
    return result


def _train_seeds(
    workspace: Workspace,
    restarts: Restarts,
    on_epoch: Callable[[EpochRecord], None],
    say: Callable[[str], None],
) -> FitResult:
    """Train from several seeds; write what is kept and the history of the best one."""
    try:
        kept = restarts.run(on_epoch, say)
    except KeyboardInterrupt:
        if so_far := restarts.interrupted():
            about = {"kept_epoch": so_far.result.kept_epoch, **so_far.about}
            _save_interrupted(workspace, so_far.network, so_far.spec, about)
            say(
                "interrupted; the best of the seeds so far is in models/interrupted, and the next "
                "run goes on from the last snapshot"
            )
        raise
    material = restarts.material
    about = {
        "kept_epoch": kept.result.kept_epoch,
        "threads": material.threads,
        "precision": material.section.precision,
        **kept.about,
    }
    with replace_folder(workspace.network, about) as folder:
        save_network(folder, kept.network, kept.spec)
    write_history(workspace.reports / "history.csv", kept.result.history)
    restarts.discard()
    return kept.result


def _start(
    workspace: Workspace,
    params: Params,
    data: dict[str, Any],
    learner: Learner,
    given: tuple[NetworkSpec, SourceFiles, int, Callable[[str], None]],
) -> Learner:
    # Not at the top: it reads preprocessors, and so imports pandas.
    from layerline.training.transfer.starting import (
        features_folder,
        make_plan,
        start_learner,
        tell_plan,
    )

    assert params.train.transfer is not None
    spec, source, threads, say = given
    plan = make_plan(params.train.transfer, source, learner.network, spec, workspace.preprocessor)
    tell_plan(plan, say)
    about = {"spec": dataclasses.asdict(spec), "data": data["files"], "threads": threads}
    cache = (features_folder(workspace), about)
    check = _open_check(workspace, params, source, plan, spec)
    started = start_learner(
        plan, params.train, learner.network, (learner.train, learner.valid), cache, say
    )
    if check is not None:
        say(check.describe())
    return dataclasses.replace(started, forgetting=check)


def _open_check(
    workspace: Workspace, params: Params, files: SourceFiles, plan: "Plan", spec: NetworkSpec
) -> "ForgettingCheck | None":
    if files.holdout is None:
        return None
    from layerline.data.preprocessing.preprocessor import Preprocessor
    from layerline.training.transfer.forgetting import open_check

    assert params.train.transfer is not None
    here = Preprocessor.from_json(read_json(workspace.preprocessor / "preprocessor.json"))
    columns = params.train.transfer.columns
    return open_check(files.holdout, plan.source, spec, here, columns)


def _save_transfer(folder: Path, learner: Learner, network: nn.Module) -> None:
    """Write what the training started from, and what it made of the rows the source knew."""
    facts = dict(learner.facts or {})
    if learner.forgetting is not None:
        facts["forgetting"] = dict(learner.forgetting.facts)
        if losses := learner.forgetting.finish(network):
            save_file(losses, folder / FORGETTING)
    write_json(folder / TRANSFER, facts)


def plan_training(workspace: Workspace, params: Params, source: SourceFiles) -> "Plan":
    """What `train` would start from and let learn; nothing is written.

    Raises:
        SourceError: data/scaled or the source is missing or damaged.
        ParamsError: what does not fit, all at once.
    """
    from layerline.training.transfer.starting import make_plan

    assert params.train.transfer is not None
    data = read_manifest(workspace.scaled)
    spec = build_spec(params, data, describe_data(data, load_rows(workspace.scaled, "train")))
    prepare_torch(params.seed, 1)
    network = spec.build()
    plan = make_plan(params.train.transfer, source, network, spec, workspace.preprocessor)
    check = _open_check(workspace, params, source, plan, spec)
    if check is None:
        return plan
    return dataclasses.replace(plan, notes=(*plan.notes, check.describe()))


def _resume(
    snapshots: Snapshots,
    training: Training,
    on_epoch: Callable[[EpochRecord], None],
    say: Callable[[str], None],
) -> None:
    """Take up the snapshot of this very training, if one was left; tell its epochs again."""
    if take_up(snapshots, training, say):
        say(f"goes on after epoch {len(training.history)}, where an earlier run was stopped")
        for record in training.history:
            on_epoch(record)


def _keep_best(
    workspace: Workspace,
    training: Training,
    learnt: tuple[Learner, nn.Module],
    spec: NetworkSpec,
    say: Callable[[str], None],
) -> None:
    best, (learner, network) = training.best, learnt
    if not best.epoch:
        return
    best.restore(training.network)
    learner.merge(network)
    _save_interrupted(workspace, network, spec, {"kept_epoch": best.epoch})
    say(
        f"interrupted in epoch {training.epoch}; the best network so far (epoch {best.epoch}) is "
        "in models/interrupted, and the next run goes on from the last snapshot"
    )


def _save_interrupted(
    workspace: Workspace, network: nn.Module, spec: NetworkSpec, about: Mapping[str, Any]
) -> None:
    with replace_folder(workspace.root / "models" / "interrupted", about) as folder:
        save_network(folder, network.to("cpu"), spec)


def write_history(path: Path, history: tuple[EpochRecord, ...]) -> None:
    """One line an epoch; floats in full, so that equal trainings give equal bytes."""
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HISTORY_COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(record) for record in history)
