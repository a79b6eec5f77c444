"""Simpler models on the same rows, for comparison with the network.

scikit-learn takes two seconds to import, so the baselines are fitted in a separate process while
the stage continues. baseline_models.py has them.

    python -m layerline.evaluation.baselines REQUEST

fits the baselines of REQUEST/request.json; writes figures.json and the row losses next to it.
"""

import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerline.artifacts import read_json, read_json_as, write_json
from layerline.artifacts.temporary import temporary_folder
from layerline.errors import LayerlineError, SourceError
from layerline.evaluation.baseline_models import predict_baseline
from layerline.evaluation.metrics import measure
from layerline.evaluation.predictions import Floats, judged_by
from layerline.process import module_command
from layerline.scaling.preprocessing.target_transforms import TargetCurve, read_curve
from layerline.tables.targets import read_targets

MAX_TRAIN_ROWS = 20_000  # a baseline is a yardstick: it must not cost minutes
TIMEOUT_SECONDS = 900.0


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A baseline's metrics on the test rows, and its row losses of the main metric."""

    name: str
    figures: dict[str, float]
    losses: Floats
    n_train_rows: int


@contextlib.contextmanager
def fitting_baselines(
    names: Sequence[str], scaled: Path, network_spec: Path, seed: int, costs: Floats | None = None
) -> Iterator[Callable[[], list[Baseline]]]:
    """Fit baselines in another process; yield a function that waits for them.

    Args:
        names: entries of the tables above.
        scaled: data/scaled.
        network_spec: the network's spec.json, with the number of category codes.
        seed: samples the train rows if there are more than MAX_TRAIN_ROWS.
        costs: (K, K) of a row by its true and its predicted class, by which they decide too.
    """
    if not names:
        yield list
        return
    with temporary_folder() as folder:
        request = {
            "names": list(names),
            "scaled": str(scaled.resolve()),
            "spec": str(network_spec.resolve()),
            "seed": seed,
            "costs": None if costs is None else costs.tolist(),
        }
        write_json(folder / "request.json", request)
        process = subprocess.Popen(
            module_command("layerline.evaluation.baselines", str(folder)),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield lambda: _collect(process, folder)
            finally:
                process.kill()


def _collect(process: "subprocess.Popen[str]", folder: Path) -> list[Baseline]:
    try:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise LayerlineError(
            f"the baselines took longer than {TIMEOUT_SECONDS:.0f} s; remove the slow ones from "
            "evaluate.baselines"
        ) from None
    if process.returncode == SourceError.exit_code:
        raise SourceError(errors.strip())
    if process.returncode:
        last = errors.strip().splitlines()[-1] if errors.strip() else "no error message"
        raise LayerlineError(
            f"a baseline could not be fitted: {last}; remove it from evaluate.baselines"
        )
    return [
        Baseline(**entry, losses=np.load(folder / f"{entry['name']}.npy", allow_pickle=False))
        for entry in read_json(folder / "figures.json")["baselines"]
    ]


def fit_baselines(folder: Path) -> None:
    """Fit the baselines of folder/request.json."""
    request = read_json(folder / "request.json")
    scaled = Path(request["scaled"])
    about = read_json_as(scaled / "manifest.json", _describe_target)
    n_codes, about["curve"] = read_json_as(Path(request["spec"]), _codes_and_curve)
    about["costs"] = request["costs"]
    weights = scaled / "test_weight.npy"
    exact = scaled / "test_actual.npy"  # where `y` cannot be inverted exactly
    about["actual"] = np.load(exact, allow_pickle=False) if exact.is_file() else None
    y = {name: np.load(scaled / f"{name}_y.npy", allow_pickle=False) for name in ("train", "test")}
    chosen = np.arange(len(y["train"]))
    if len(chosen) > MAX_TRAIN_ROWS:
        drawn = np.random.default_rng(request["seed"]).permutation(len(chosen))
        chosen = np.sort(drawn[:MAX_TRAIN_ROWS])
    x = {"train": _flat(scaled, "train")[chosen], "test": _flat(scaled, "test")}
    answers = []
    for name in request["names"]:
        found = predict_baseline(name, n_codes, x, (y["train"][chosen], y["test"]), about)
        if weights.is_file():
            found = dataclasses.replace(found, weights=np.load(weights, allow_pickle=False))
        np.save(folder / f"{name}.npy", found.row_losses(judged_by(found)), allow_pickle=False)
        answers.append({"name": name, "figures": measure(found), "n_train_rows": len(chosen)})
    write_json(folder / "figures.json", {"baselines": answers})


def _describe_target(manifest: Mapping[str, Any]) -> dict[str, Any]:
    classes = manifest["classes"]
    if classes is not None:
        return {"classes": list(classes)}
    if targets := read_targets(manifest.get("targets")):
        return {"classes": None, "targets": targets}
    scale, center = float(manifest["target_scale"]), float(manifest["target_center"])
    return {"classes": None, "target_scale": scale, "target_center": center}


def _codes_and_curve(spec: Mapping[str, Any]) -> tuple[int, TargetCurve]:
    return len(spec.get("category_sizes", ())), read_curve(spec.get("target_curve"))


def _flat(scaled: Path, split: str) -> NDArray[np.float32]:
    x = np.load(scaled / f"{split}_x.npy", mmap_mode="r", allow_pickle=False)
    return x.reshape(len(x), -1)


if __name__ == "__main__":
    try:
        fit_baselines(Path(sys.argv[1]))
    except LayerlineError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
