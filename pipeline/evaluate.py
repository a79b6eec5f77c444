"""Measure the network on the train, valid and test rows.

Reads:  data/validated/ (raw columns), data/scaled/, models/network/, reports/history.csv;
        params.yaml (seed, threads, evaluate; the others for the model card).
Writes: models/decision/, reports/: metrics.json, evaluation.json, predictions.parquet and
        errors.csv (of the test rows), plots/, model_card.md and .html; runs/evaluate.json.
"""

from functools import partial

from layerline.stage import Stage, leave, run_stage
from layerline.text import readable

# errors.csv stays here: it holds raw rows.
LOGGED = ("metrics.json", "evaluation.json", "model_card.md", "model_card.html")


def main(stage: Stage) -> None:
    from layerline.evaluation.evaluate import evaluate
    from layerline.evaluation.looks import count_looks
    from layerline.tracking.shared_looks import fetch_looks

    workspace, params = stage.workspace, stage.params
    metrics = evaluate(workspace, params, partial(fetch_looks, workspace.home, params.project))
    looks = count_looks(workspace)
    if warning := looks.warning(params.evaluate.confidence):
        stage.report(f"warning: {warning}")
    stage.journal.tags({"layerline.test_looks": looks.count})
    figures = ", ".join(f"{name} {readable(value)}" for name, value in metrics["test"].items())
    stage.report(f"test {figures}")
    stage.journal.metrics(
        {f"{split}_{name}": v for split, found in metrics.items() for name, v in found.items()}
    )
    reports = [workspace.reports / name for name in LOGGED]
    for path in (workspace.plots, workspace.predictions, *reports):
        stage.journal.artifact(path)


if __name__ == "__main__":
    leave(run_stage("evaluate", main))
