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

    from layerline.origins import SourceContext, find_start
    from layerline.tracking.delivery_problems import delivery_problem
    from layerline.tracking.provenance import log_files, log_inputs, log_network, log_transfer
    from layerline.tracking.system_metrics import sampling
    from layerline.training.epoch_records import EpochRecord
    from layerline.training.train import train

    log_inputs(journal, workspace, params.project)
    for note in log_files(journal, workspace, params):
        stage.report(f"note: {note}")

    def on_epoch(record: EpochRecord) -> None:
        figures = dataclasses.asdict(record)
        journal.metrics(figures, step=figures.pop("epoch"))

    source, transfer = None, params.train.transfer
    if transfer is not None:
        source = find_start(
            SourceContext(workspace, params.project, params.register.alias), transfer
        )
    with sampling(journal):
        result = train(workspace, params, on_epoch, stage.report, source)
    if source is not None:
        log_transfer(journal, workspace, source.identity)
    kept = result.history[result.kept_epoch - 1]
    log_network(journal, workspace, result.kept_epoch)
    if result.reason is not None:
        journal.tags({"layerline.stopped": result.reason})
        stage.report(f"stopped: {result.reason}")
    stage.report(
        f"kept epoch {result.kept_epoch} of {len(result.history)}: "
        f"validation loss {kept.valid_loss:.4g}, error {kept.valid_error:.4g}"
    )
    if not is_off() and (trouble := delivery_problem(workspace.home, journal.path)):
        stage.report(f"note: {trouble}")


if __name__ == "__main__":
    leave(run_stage("train", main))
