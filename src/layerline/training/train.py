"""The train stage's work: from data/scaled to models/network and reports/history.csv."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from layerline.artifacts import SourceFiles, Workspace
from layerline.config import Params
from layerline.training.cleanup import prune
from layerline.training.device import enough_memory
from layerline.training.epoch_records import EpochRecord, FitResult
from layerline.training.loop import Training
from layerline.training.outputs import save_interrupted, save_trained
from layerline.training.progress import progress
from layerline.training.restarts.running import Restarts
from layerline.training.setup import Material, read_material
from layerline.training.snapshots import Snapshots, take_up, training_key
from layerline.training.trainable import Learner

OnEpoch = Callable[[EpochRecord], None]
Say = Callable[[str], None]


def train(
    workspace: Workspace,
    params: Params,
    on_epoch: OnEpoch,
    say: Say = lambda text: None,
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
    with enough_memory(params.train):
        material, network = read_material(workspace, params)
        if material.section.restarts is not None:
            return _train_seeds(workspace, material, on_epoch, say)
        learner = Learner(network, material.train, material.valid)
        if source is not None:
            # Not at the top: it reads preprocessors, and so imports pandas.
            from layerline.training.transfer.prepare import start_from

            learner = start_from(source, workspace, material, network, say)
        return _train_one(workspace, material, network, learner, on_epoch, say)


def _train_one(
    workspace: Workspace,
    material: Material,
    network: nn.Module,
    learner: Learner,
    on_epoch: OnEpoch,
    say: Say,
) -> FitResult:
    """Train what learns; `network` is the whole, which is written."""
    training = Training(
        learner.network,
        learner.train,
        learner.valid,
        material.section,
        task=material.spec.task,
        seed=material.seed,
        facts=material.facts,
        learning=learner.learning,
    )
    snapshots = _open_snapshots(
        workspace, material, {} if learner.facts is None else {"transfer": learner.facts}
    )
    _resume(snapshots, training, on_epoch, say)
    with progress(material.section.epochs, len(training.history), on_epoch, say) as listener:
        try:
            result = training.run(listener, snapshots)
        except KeyboardInterrupt:
            if training.best.epoch:
                training.best.restore(training.network)
                learner.merge(network)
                about = material.about(training.best.epoch)
                save_interrupted(workspace, network, material.spec, about)
            say(_tell_interrupted(training, snapshots))
            raise
    learner.merge(network)
    about = material.about(result.kept_epoch)
    save_trained(workspace, network, material.spec, about, result.history, learner)
    snapshots.discard()
    return result


def _tell_interrupted(training: Training, snapshots: Snapshots) -> str:
    told = f"interrupted in epoch {training.epoch}"
    if training.best.epoch:
        told += f"; the best network so far (epoch {training.best.epoch}) is in models/interrupted"
    return f"{told}; {_next_run(snapshots)}"


def _next_run(*snapshots: Snapshots) -> str:
    if any(kept.exists() for kept in snapshots):
        return "the next run goes on from the last snapshot"
    return "the next run begins anew: no snapshot was due yet"


def _resume(snapshots: Snapshots, training: Training, on_epoch: OnEpoch, say: Say) -> None:
    """Take up the snapshot of this very training, if one was left; tell its epochs again."""
    if take_up(snapshots, training, say):
        say(f"goes on after epoch {len(training.history)}, where an earlier run was stopped")
        for record in training.history:
            on_epoch(record)


def _train_seeds(
    workspace: Workspace, material: Material, on_epoch: OnEpoch, say: Say
) -> FitResult:
    """Train from several seeds; write what is kept and the history of the best one."""
    restarts = Restarts(material, lambda more: _open_snapshots(workspace, material, more))
    try:
        kept = restarts.run(on_epoch, say)
    except KeyboardInterrupt:
        told = "interrupted"
        if so_far := restarts.interrupted():
            about = {**material.about(so_far.result.kept_epoch), **so_far.about}
            save_interrupted(workspace, so_far.network, so_far.spec, about)
            told += "; the best of the seeds so far is in models/interrupted"
        say(f"{told}; {_next_run(*restarts.used)}")
        raise
    about = {**material.about(kept.result.kept_epoch), **kept.about}
    save_trained(workspace, kept.network, kept.spec, about, kept.result.history)
    restarts.discard()
    return kept.result


def _open_snapshots(workspace: Workspace, material: Material, more: Mapping[str, Any]) -> Snapshots:
    """Of this training; those of others that nobody took up for long are removed."""
    parent = workspace.home / ".layerline" / "snapshots"
    snapshots = Snapshots(parent / training_key({**material.identity(), **more}))
    prune(parent)
    return snapshots
