"""Train the network on data/scaled/; its curves are live in MLflow while it learns.

Reads:  data/scaled/; params.yaml (seed, threads, train).
Writes: models/network/ (network.safetensors, spec.json), reports/history.csv, runs/train.json.
"""

import dataclasses

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.tracking.follower import start_follower
    from layerline.tracking.inputs import tell_inputs
    from layerline.training.loop import EpochRecord
    from layerline.training.running import train

    tell_inputs(stage.journal, stage.workspace)
    start_follower(stage.workspace.home, stage.journal.path)

    def on_epoch(record: EpochRecord) -> None:
        figures = dataclasses.asdict(record)
        stage.journal.metrics(figures, step=figures.pop("epoch"))

    result = train(stage.workspace, stage.params, on_epoch)
    kept = result.history[result.kept_epoch - 1]
    stage.journal.tags({"layerline.kept_epoch": result.kept_epoch})
    stage.journal.artifact(stage.workspace.root / "params.yaml")
    stage.journal.artifact(stage.workspace.reports / "history.csv")
    stage.say(
        f"kept epoch {result.kept_epoch} of {len(result.history)}: "
        f"validation loss {kept.valid_loss:.4g}, error {kept.valid_error:.4g}"
    )


if __name__ == "__main__":
    leave(run_stage("train", main))
