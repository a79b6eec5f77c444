"""Measure the network on the train, valid and test rows.

Reads:  data/scaled/, models/, reports/history.csv; params.yaml (seed, threads, evaluate).
Writes: models/decision/, reports/metrics.json, reports/predictions.parquet (of the test rows),
        reports/plots/, reports/model_card.md, runs/evaluate.json.
"""

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.evaluation.running import evaluate

    metrics = evaluate(stage.workspace, stage.params)
    figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics["test"].items())
    stage.say(f"test {figures}")
    stage.journal.metrics(
        {f"{split}_{name}": v for split, found in metrics.items() for name, v in found.items()}
    )
    stage.journal.artifact(stage.workspace.plots)
    stage.journal.artifact(stage.workspace.reports / "metrics.json")
    stage.journal.artifact(stage.workspace.predictions)
    stage.journal.artifact(stage.workspace.reports / "model_card.md")


if __name__ == "__main__":
    leave(run_stage("evaluate", main))
