"""Register the model and make it champion when it is truly better than the one there is.

Reads:  models/, data/validated/ and data/scaled/ (the test rows as the user has them); params.yaml.
Writes: a model version in MLflow's registry, reports/registration.json, runs/register.json.
"""

from layerline.artifacts import write_json
from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.registry.register import register_model

    verdict = register_model(stage.workspace, stage.params, stage.key, stage.report)
    write_json(stage.workspace.reports / "registration.json", verdict)
    stage.report(verdict["reason"])
    tags = {key: value for key, value in verdict.items() if key != "slices"}  # they may be many
    stage.journal.tags({f"layerline.registration.{key}": value for key, value in tags.items()})
    stage.journal.artifact(stage.workspace.reports / "registration.json")


if __name__ == "__main__":
    leave(run_stage("register", main))
