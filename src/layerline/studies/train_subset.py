"""data/scaled with fewer train rows; validation and test rows stay."""

from pathlib import Path

import numpy as np

from layerline.artifacts import read_manifest, replace_folder

_SEED = 0


def write_subset(scaled: Path, target: Path, n_rows: int) -> None:
    """Write data/scaled with `n_rows` of its train rows; fewer rows are a part of more rows.

    Args:
        scaled: the folder data/scaled.
        target: the folder to write.
        n_rows: train rows to keep; all of them if there are not as many.
    """
    manifest = read_manifest(scaled)
    about = {key: value for key, value in manifest.items() if key not in ("files", "format")}
    total = len(np.load(scaled / "train_y.npy", mmap_mode="r"))
    order = np.random.default_rng(_SEED).permutation(total)
    kept = np.sort(order[:n_rows])
    about["n_rows"] = {**about.get("n_rows", {}), "train": len(kept)}
    with replace_folder(target, about) as folder:
        for name in manifest["files"]:
            if name.startswith("train_") and name.endswith(".npy"):
                np.save(folder / name, np.load(scaled / name, mmap_mode="r")[kept])
            else:
                (folder / name).write_bytes((scaled / name).read_bytes())
