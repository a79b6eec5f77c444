"""Bring the source's rows or images into data/raw/.

Reads:  params.yaml (fetch), checked here as a whole; the source that it names.
Writes: data/raw/ (table.parquet, or images.npy and labels.parquet), runs/fetch.json.
"""

from layerline.projects.preflight import checking, load_or_report_all
from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    with checking(stage.workspace.params):
        from layerline.projects.watched_files import require_outside, unwatched
        from layerline.sources.fetch import fetch, load_libraries

        load_libraries(stage.params.fetch.source)
    workspace, params = stage.workspace, stage.params
    require_outside(workspace.root, params.fetch)
    has_schema = (workspace.root / params.schema_path).is_file()
    manifest = fetch(workspace, params.fetch, has_schema=has_schema)
    stage.report(f"{manifest['n_rows']:,} rows from {manifest['source']}")
    stage.report(manifest["task_reason"])
    for note in manifest["notes"]:
        stage.report(f"note: {note}")
    for path in unwatched(workspace.root / "dvc.yaml", params.fetch):
        stage.report(f"note: DVC does not watch {path} for changes yet; run `layerline watch` once")
    stage.journal.metrics({"n_rows": manifest["n_rows"]})


if __name__ == "__main__":
    leave(run_stage("fetch", main, load_or_report_all))
