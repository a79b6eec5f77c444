"""Train the network on data/scaled/; its curves are live in MLflow while it learns.

Reads:  data/scaled/; params.yaml (seed, threads, train); with train.transfer also
        models/preprocessor/ and the source's weights.
Writes: models/network/ (network.safetensors, spec.json), reports/history.csv, runs/train.json.
"""

import dataclasses

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.tracking.follower import start_follower
    from layerline.tracking.switch import is_off

    journal, workspace, params = stage.journal, stage.workspace, stage.params
    if not is_off():  # first of all: it imports MLflow while this process imports torch
        start_follower(workspace.home, journal.path)

    from layerline.origins import Asker, find_start
    from layerline.tracking.delivery_problems import trouble_of
    from layerline.tracking.provenance import tell_files, tell_inputs, tell_network, tell_transfer
    from layerline.tracking.system_metrics import sampling
    from layerline.training.epoch_records import EpochRecord
    from layerline.training.train import train

    tell_inputs(journal, workspace, params.project)
    for note in tell_files(journal, workspace, params):
        stage.say(f"note: {note}")

    def on_epoch(record: EpochRecord) -> None:
        figures = dataclasses.asdict(record)
        journal.metrics(figures, step=figures.pop("epoch"))

    source, transfer = None, params.train.transfer
    if transfer is not None:
        source = find_start(Asker(workspace, params.project, params.register.alias), transfer)
    with sampling(journal):
        result = train(workspace, params, on_epoch, stage.say, source)
    if source is not None:
        tell_transfer(journal, workspace, source.identity)
    kept = result.history[result.kept_epoch - 1]
    tell_network(journal, workspace, result.kept_epoch)
    if result.reason is not None:
        journal.tags({"layerline.stopped": result.reason})
        stage.say(f"stopped: {result.reason}")
    stage.say(
        f"kept epoch {result.kept_epoch} of {len(result.history)}: "
        f"validation loss {kept.valid_loss:.4g}, error {kept.valid_error:.4g}"
    )
    if not is_off() and (trouble := trouble_of(workspace.home, journal.path)):
        stage.say(f"note: {trouble}")


if __name__ == "__main__":
    leave(run_stage("train", main))
