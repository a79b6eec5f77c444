"""Enforce the frozen schema on data/raw/; bad rows end the run or are set aside.

Reads:  data/raw/, data/schemas/<project>.yaml; params.yaml (project, validate).
Writes: data/validated/, reports/validation.json, reports/profile.json, runs/validate.json.
"""

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.data.validating import validate_raw

    params = stage.params
    about = validate_raw(stage.workspace, params.validate, params.schema_path)
    aside = f", {about['n_quarantined']:,} set aside" if about["n_quarantined"] else ""
    stage.say(f"{about['n_rows']:,} rows keep {params.schema_path}{aside}")
    stage.journal.metrics({key: about[key] for key in ("n_rows", "n_quarantined")})
    for file in ("validation.json", "profile.json"):
        stage.journal.artifact(stage.workspace.reports / file)
    stage.journal.artifact(stage.workspace.root / params.schema_path, "schema")


if __name__ == "__main__":
    leave(run_stage("validate", main))
