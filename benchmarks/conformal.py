"""Coverage of conformal intervals and sets on the test rows of tables.

    python benchmarks/conformal.py --tables FOLDER [FOLDER ...] [--coverage 0.9] [--fast]
        [--least 1000] [--only NAME ...]

A FOLDER is as in quality.py. The regions are fitted on the validation rows; test rows are only
counted. Tables with fewer test rows than --least are left out: their coverage is mostly chance.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import pandas as pd

from layerline.estimators.frame_training import train_table


def _measure(frame: pd.DataFrame, target: str, coverage: float, is_fast: bool) -> dict[str, Any]:
    train: dict[str, Any] = {"members": None} if is_fast else {}
    evaluate = {"conformal": coverage, "bootstrap": 0, "baselines": [], "importance_rows": 0}
    started = time.perf_counter()
    model = train_table(frame, target, {"train": train, "evaluate": evaluate})
    test = model.metrics["test"]
    n_rows = int((frame["split"] == "test").sum())
    return {
        "rows": n_rows,
        "coverage": test["conformal_coverage"],
        "size": test["conformal_size"],
        "accuracy": test.get("accuracy"),
        "chance": 1.96 * math.sqrt(coverage * (1 - coverage) / n_rows),
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--least", type=int, default=1000)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    print("| table | test rows | coverage | width, or classes | accuracy | by chance ± | seconds |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for folder in options.tables:
        for about in json.loads((folder / "tables.json").read_text()):
            frame = pd.read_parquet(folder / about["file"])
            n_test = int((frame["split"] == "test").sum())
            if n_test < options.least or (options.only and about["name"] not in options.only):
                continue
            found = _measure(frame, about["target"], options.coverage, options.fast)
            accuracy = "" if found["accuracy"] is None else f"{found['accuracy']:.1%}"
            print(
                f"| {about['name']} | {found['rows']:,} | {found['coverage']:.1%} "
                f"| {found['size']:.4g} | {accuracy} | {found['chance']:.1%} "
                f"| {found['seconds']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
