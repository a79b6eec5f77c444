"""What a training read: its data sets, and the runs that made them."""

from typing import Any

from layerline.artifacts import Workspace, read_json
from layerline.tracking.journal import Journal

CONTEXTS = {"train": "training", "valid": "validation", "test": "testing"}
DATA_STAGES = ("fetch", "validate", "scale")


def tell_inputs(journal: Journal, workspace: Workspace) -> None:
    """Tell a training's journal its data sets (by sha256) and link the runs of the data stages."""
    scaled = read_json(workspace.scaled / "manifest.json")
    tags: dict[str, Any] = {
        f"layerline.sha256.raw.{name}": sha256 for name, sha256 in scaled["raw_sha256"].items()
    }
    for split, context in CONTEXTS.items():
        digest = scaled["files"][f"{split}_x.npy"]["sha256"]
        tags[f"layerline.sha256.{split}_x"] = digest
        journal.dataset(
            name=f"{scaled['source']}-{split}",
            digest=digest[:32],
            source=f"data/scaled/{split}_x.npy",
            context=context,
            n_rows=scaled["n_rows"][split],
        )
    journal.tags(tags)
    for stage in DATA_STAGES:
        file = workspace.run_file(stage)
        if file.exists():  # a stage may have been run by hand, without its run's file
            journal.link(f"layerline.run.{stage}", read_json(file)["key"])
