"""Fit one peer with its defaults and print the seconds; run by fit_times.py with another Python.

    PEERS/bin/python benchmarks/peer_fits.py catboost|realmlp|tabm TABLE.parquet TARGET TASK

The valid rows choose the stopping point, as in each peer's own documentation.
"""

import sys
import time
from typing import Any

import pandas as pd


def catboost(x: dict[str, pd.DataFrame], y: dict[str, Any], levels: list[str], task: str) -> float:
    from catboost import CatBoostClassifier, CatBoostRegressor

    filled = {
        split: part.assign(**{c: part[c].astype(object).fillna("").astype(str) for c in levels})
        for split, part in x.items()
    }
    model = (CatBoostRegressor if task == "regression" else CatBoostClassifier)(
        random_seed=0, verbose=False, allow_writing_files=False
    )
    began = time.perf_counter()
    model.fit(
        filled["train"], y["train"], cat_features=levels, eval_set=(filled["valid"], y["valid"])
    )
    return time.perf_counter() - began


def pytabkit(
    name: str, x: dict[str, pd.DataFrame], y: dict[str, Any], levels: list[str], task: str
) -> float:
    import pytabkit

    kind = "Regressor" if task == "regression" else "Classifier"
    numbers = [name for name in x["train"] if name not in levels]
    middle = x["train"][numbers].median()  # it takes no gaps
    x = {split: part.fillna(middle) for split, part in x.items()}
    model = getattr(pytabkit, f"{name}_{kind}")(random_state=0, device="cpu")
    began = time.perf_counter()
    model.fit(x["train"], y["train"], X_val=x["valid"], y_val=y["valid"], cat_col_names=levels)
    return time.perf_counter() - began


def main() -> None:
    model, path, target, task = sys.argv[1:]
    frame = pd.read_parquet(path)
    features = [name for name in frame if name not in (target, "split")]
    levels = [name for name in features if not pd.api.types.is_numeric_dtype(frame[name])]
    frame = frame.astype(dict.fromkeys(levels, "category"))
    x = {split: frame.loc[frame["split"] == split, features] for split in ("train", "valid")}
    y = {split: frame.loc[part.index, target].to_numpy() for split, part in x.items()}
    if model == "catboost":
        print(catboost(x, y, levels, task))
    else:
        names = {"realmlp": "RealMLP_TD", "tabm": "TabM_D"}
        print(pytabkit(names[model], x, y, levels, task))


if __name__ == "__main__":
    main()
