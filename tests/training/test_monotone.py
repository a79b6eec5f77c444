"""train.monotone: what is trained, kept and predicted rises or falls with its columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import layerline
from layerline.config import parse_params
from layerline.errors import ParamsError
from layerline.projects.combinations import combination_problems
from layerline.projects.init import start_project
from layerline.projects.preflight import load_checked
from layerline.validation.schema.schema_file import write_schema

MONOTONE = {"income": "increasing", "debt": "decreasing"}
BINS = {"name": "piecewise_linear", "width": 2, "bins": 8}


def loans(n: int = 240) -> pd.DataFrame:
    """Noise, in which a free network finds ups and downs, and gaps."""
    random = np.random.default_rng(0)
    income, debt, age = random.gamma(2, 20, n), random.gamma(1, 9, n), random.normal(40, 9, n)
    score = income / 30 - debt / 9 + np.sin(age) + random.normal(0, 2, n)
    city = random.choice(["Bern", "Rom"], n)
    income[random.random(n) < 0.05] = np.nan
    frame = pd.DataFrame({"income": income, "debt": debt, "age": age, "city": city})
    return frame.assign(score=score.round(3), repaid=np.where(score > 0, "yes", "no"))


def swept(column: str, n_rows: int = 25) -> pd.DataFrame:
    """Each row at 40 values of the column, also far from any that was seen."""
    rows = loans().head(n_rows).loc[np.repeat(np.arange(n_rows), 40)]
    return rows.assign(**{column: np.tile(np.linspace(-300, 900, 40), n_rows)})


def require_monotone(model: layerline.FittedModel, output: str) -> None:
    for column, way in MONOTONE.items():
        values = model.predict_frame(swept(column), any_value=True)[output].to_numpy(dtype=float)
        moved = np.diff(values.reshape(-1, 40), axis=1) * (1 if way == "increasing" else -1)
        assert moved.min() >= -1e-5
        assert moved.max() > 0.01


@pytest.mark.parametrize(
    ("target", "train"),
    [
        ("score", {"options": {"numeric_embeddings": BINS}, "folds": 2, "members": {"count": 2}}),
        ("repaid", {"options": {"numeric_embeddings": BINS}, "average": 0.9}),
        # Without embeddings members are one stack, each with rates of its own.
        (
            "repaid",
            {"options.numeric_embeddings.name": "none", "members": {"count": 3, "keep": "all"}},
        ),
        ("score", {"loss": {"name": "quantile", "levels": [0.2, 0.5]}, "options.norm": "batch"}),
    ],
    ids=["bins-folds", "average", "stack", "quantiles"],
)
def test_predictions_rise_and_fall_with_their_columns(target: str, train: dict[str, Any]) -> None:
    table = loans().drop(columns={"score", "repaid"} - {target})
    given = {"members": None, "folds": None, "epochs": 12, "optimizer.learning_rate": 0.02}
    changes = {**given, "monotone": MONOTONE, **train}
    model = layerline.fit(table, target, scale={"numeric": "quantile"}, **changes)
    outputs = ["prediction"] if target == "score" else ["probability_yes"]
    for output in outputs + (["quantile_0.2"] if "loss" in train else []):
        require_monotone(model, output)


def problems_of(train: dict[str, Any], **sections: Any) -> list[str]:
    fetch = {"source": "files", **sections.pop("fetch", {})}
    train = {"monotone": {"income": "increasing"}, **train}
    found, problems = parse_params({"project": "p", "fetch": fetch, "train": train, **sections})
    return [str(p) for p in (problems if found is None else combination_problems(found))]


def test_what_cannot_be_monotone_is_refused_before_any_work() -> None:
    assert problems_of({}) == []
    (told,) = problems_of({"network": "cnn"})
    assert told == "train.monotone: 'cnn' may rise and fall with any input; use mlp"
    told = problems_of(
        {"transfer": {"from": "x"}, "optimizer": "lbfgs", "options": {"activation": "silu"}},
        fetch={"task": "multiclass"},
        scale={"numeric": {"columns": {"income": "mine.scalers:Own"}}},
    )
    wanted = ("known weights", "lbfgs cannot", "more than two classes", "mine.scalers:Own", "silu")
    assert len(told) == len(wanted)
    assert all(words in line for words, line in zip(wanted, told, strict=True))
    space = {"count": 2, "space": {"options.norm": ["batch", "layer"]}}
    (told,) = problems_of({"members": space})
    assert told.startswith("train.options.norm: layer norm mixes")
    (told,) = problems_of({"monotone": {"income": "up"}})
    assert told.startswith("train.monotone.income: ")


def test_columns_are_looked_up_in_the_schema(tmp_path: Path) -> None:
    loans().drop(columns="score").to_csv(tmp_path / "loans.csv", index=False)
    start = start_project(tmp_path / "loans.csv", "repaid", "loans", root=tmp_path)
    write_schema(tmp_path / "data" / "schemas" / "loans.yaml", start.schema)
    path = tmp_path / "params.yaml"
    text = start.params_text.replace("\ntrain:\n", "\ntrain:\n  monotone: MONO\n")
    path.write_text(text.replace("MONO", "{income: increasing}"))
    assert load_checked(path).train.monotone == {"income": "increasing"}
    path.write_text(text.replace("MONO", "{city: increasing, incme: decreasing}"))
    with pytest.raises(ParamsError) as caught:
        load_checked(path)
    first, second = map(str, caught.value.problems)
    assert first.startswith("train.monotone.city: is no number that the network reads, by data/")
    assert second.startswith("train.monotone.incme: ")
    assert first.endswith("numbers: income, debt, age")
