"""Train the network on data/scaled/; its curves are live in MLflow while it learns.

Reads:  data/scaled/; params.yaml (seed, threads, train); with train.transfer also
        models/preprocessor/ and the source's weights.
Writes: models/network/ (network.safetensors, spec.json), reports/history.csv, runs/train.json.
"""

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.tracking.training_log import TrainingLog

    workspace, params = stage.workspace, stage.params
    log = TrainingLog(stage.journal, workspace, stage.report)  # before torch is imported

    from layerline.origins import SourceContext, find_start
    from layerline.training.train import train

    log.log_inputs(params)
    source, transfer = None, params.train.transfer
    if transfer is not None:
        context = SourceContext(workspace, params.project, params.register.alias)
        source = find_start(context, transfer)
    with log.system_metrics():
        result = train(workspace, params, log.log_epoch, stage.report, source, may_fork=True)
    log.log_result(result, None if source is None else source.identity)


if __name__ == "__main__":
    leave(run_stage("train", main))
