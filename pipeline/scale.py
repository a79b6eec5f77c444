"""Split the rows, fit the preprocessor on the train rows, write the network's arrays.

Reads:  data/validated/; params.yaml (seed, scale); the model of scale.preprocessor, if any.
Writes: data/scaled/{train,valid,test}_{x,y,row}.npy, models/preprocessor/, runs/scale.json.
"""

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.origins import SourceContext, find_preprocessor
    from layerline.scaling.scale import scale

    params, workspace = stage.params, stage.workspace
    reused = None
    if params.scale.preprocessor is not None:
        context = SourceContext(workspace, params.project, params.register.alias)
        reused = find_preprocessor(context, params.scale.preprocessor.source)
        stage.report(f"the preprocessor is that of {params.scale.preprocessor.source}")
    manifest = scale(workspace, params.scale, seed=params.seed, reused=reused, report=stage.report)
    rows = ", ".join(f"{name} {count:,}" for name, count in manifest["n_rows"].items())
    shape = " × ".join(map(str, manifest["shape"]))
    stage.report(f"{rows} rows; {shape} inputs to the network")
    stage.journal.metrics({f"n_rows.{name}": n for name, n in manifest["n_rows"].items()})
    stage.journal.artifact(stage.workspace.preprocessor / "preprocessor.json", "preprocessor")


if __name__ == "__main__":
    leave(run_stage("scale", main))
