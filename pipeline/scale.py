"""Split the rows, fit the preprocessor on the train rows, write the network's arrays.

Reads:  data/validated/; params.yaml (seed, scale).
Writes: data/scaled/{train,valid,test}_{x,y,row}.npy, models/preprocessor/, runs/scale.json.
"""

from layerline.stage import Stage, leave, run_stage


def main(stage: Stage) -> None:
    from layerline.data.scaling import scale

    manifest = scale(stage.workspace, stage.params.scale, seed=stage.params.seed)
    rows = ", ".join(f"{name} {count:,}" for name, count in manifest["n_rows"].items())
    shape = " × ".join(map(str, manifest["shape"]))
    stage.say(f"{rows} rows; {shape} inputs to the network")
    stage.journal.metrics({f"n_rows.{name}": n for name, n in manifest["n_rows"].items()})
    stage.journal.artifact(stage.workspace.preprocessor / "preprocessor.json", "preprocessor")


if __name__ == "__main__":
    leave(run_stage("scale", main))
