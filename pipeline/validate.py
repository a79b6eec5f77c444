"""Enforce the frozen schema on data/raw/; bad rows end the run or are set aside.

Reads:  data/raw/, data/schemas/<project>.yaml; params.yaml (project, validate).
Writes: data/validated/, reports/validation.json, reports/validation.html, reports/profile.json,
        runs/validate.json.
"""

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.validation.refusal import BrokenRulesError, warning_lines
    from layerline.validation.validate import FAILED_PAGE, PAGE, PROFILE, REPORT, validate_raw

    params = stage.params
    reports = stage.workspace.reports
    try:
        about = validate_raw(stage.workspace, params.validate, params.schema_path)
    except BrokenRulesError:
        stage.journal.artifact(reports / FAILED_PAGE)
        stage.journal.artifact(reports / REPORT)
        raise
    aside = f", {about['n_quarantined']:,} set aside" if about["n_quarantined"] else ""
    stage.report(f"{about['n_rows']:,} rows keep {params.schema_path}{aside}")
    for line in warning_lines(about["warnings"], f"reports/{PAGE}"):
        stage.report(f"warning: {line}")
    figures = {key: about[key] for key in ("n_rows", "n_quarantined")}
    stage.journal.metrics({**figures, "n_warnings": len(about["warnings"])})
    for file in (REPORT, PROFILE, PAGE):
        stage.journal.artifact(reports / file)
    stage.journal.artifact(stage.workspace.root / params.schema_path, "schema")


if __name__ == "__main__":
    leave(run_stage("validate", main))
