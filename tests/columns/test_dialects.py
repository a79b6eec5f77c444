"""One table in any dialect: the same bytes in data/raw, and the same predictions."""

import csv
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from layerline.columns.kinds import infer
from layerline.columns.written import Written
from layerline.model.bundle import About
from layerline.model.predict_file import PredictOptions, predict_file
from layerline.model.predictor import Model
from layerline.networks import build_network
from layerline.scaling.preprocessing.categories import Category
from layerline.scaling.preprocessing.numbers import Numbers, Scaled
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.scalers import Affine
from layerline.sources import files
from layerline.tables.storage import read_table

DATES: dict[str, Callable[[datetime], str]] = {
    "iso": lambda day: day.strftime("%Y-%m-%d"),
    "day first": lambda day: day.strftime("%d/%m/%Y"),
    "dotted": lambda day: f"{day.day}.{day.month}.{day.year}",
    "month first": lambda day: day.strftime("%m/%d/%Y"),
    "named": lambda day: day.strftime("%d %b %Y"),
    "slashes": lambda day: day.strftime("%Y/%m/%d"),
    "zoned": lambda day: (day + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    "half days": lambda day: day.strftime("%m/%d/%Y %I:%M %p"),
}
TRUTHS = (("true", "false"), ("TRUE", "FALSE"), ("yes", "no"), ("Ja", "Nein"), ("Y", "N"))
UNITS = ("", "€", "m²", "%")
GROUPS = ("", "other", "\N{NARROW NO-BREAK SPACE}", "'")


class Dialect(NamedTuple):
    decimal: str
    group: str
    separator: str
    date: str
    truth: tuple[str, str]
    unit: str
    quoting: int


PLAIN = Dialect(".", "", ",", "iso", ("true", "false"), "", csv.QUOTE_MINIMAL)
HEADER = ["area", "income", "day", "pool", "town", "price"]


def rows(n: int = 24) -> list[tuple[Any, ...]]:
    generator = np.random.default_rng(3)
    area = (generator.integers(-20_000, 2_000_000, n) / 100).round(2)
    area[0] = 1234.56
    income = generator.integers(1_000, 3_000_000, n)
    days = [datetime(2022, 1, 1) + timedelta(int(k)) for k in generator.integers(0, 720, n)]
    days[0] = datetime(2022, 12, 31)
    pool = generator.random(n) < 0.5
    town = generator.choice(["Lund", "Köln", "New York"], n)
    price = generator.normal(100, 9, n).round(3)
    found = list(zip(area, income, days, pool, town, price, strict=True))
    found[5] = (None, None, None, None, *found[5][4:])
    return found


def number(value: float | None, dialect: Dialect, places: int, unit: str = "") -> str:
    if value is None:
        return ""
    mark = dialect.group
    if mark == "other":
        mark = "," if dialect.decimal == "." else "."
    text = f"{abs(value):,.{places}f}".replace(",", "\0").replace(".", dialect.decimal)
    return f"{'-' if value < 0 else ''}{text.replace(chr(0), mark)}{' ' * bool(unit)}{unit}"


def write(path: Path, dialect: Dialect) -> Path:
    true, false = dialect.truth
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=dialect.separator, quoting=dialect.quoting)
        writer.writerow(HEADER)
        for area, income, day, pool, town, price in rows():
            writer.writerow(
                [
                    number(area, dialect, 2, dialect.unit),
                    number(income, dialect, 0),
                    "" if day is None else DATES[dialect.date](day),
                    "" if pool is None else true if pool else false,
                    town,
                    number(price, dialect, 3),
                ]
            )
    return path


def dialects(step: int = 1) -> Iterator[Dialect]:
    every = itertools.product(
        ".,", GROUPS, ",;\t", DATES, TRUTHS, UNITS, (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    return itertools.starmap(Dialect, itertools.islice(every, 0, None, step))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> tuple[bytes, Model, list[float]]:
    folder = tmp_path_factory.mktemp("plain")
    path = write(folder / "t.csv", PLAIN)
    files.fetch(folder, "price", path=str(path))
    frame = read_table(folder)
    specs = tuple(infer(frame[name], name) for name in HEADER[:-1])
    model = make_model(specs)
    return (folder / "table.parquet").read_bytes(), model, predict(model, path, PLAIN)


def make_model(columns: tuple[Any, ...]) -> Model:
    names = ("area", "income", "day")
    affine = Affine((9_000.0, 1e6, 19_300.0), (5_000.0, 1e6, 200.0))
    fitted = Preprocessor(
        "price",
        "regression",
        None,
        numbers=Numbers(names, (1.0, 2.0, 3.0), (Scaled((0, 1, 2), affine),), names),
        categories=(
            Category("pool", (False, True, None)),
            Category("town", ("Köln", "Lund", "New York")),
        ),
    )
    torch.manual_seed(0)
    network = build_network(
        "mlp", {"hidden": [16], "norm": "none"}, input_shape=(len(fitted.features),), d_out=1
    ).eval()
    return Model(About("p", "regression", "price", None, columns, None), network, fitted)


def predict(model: Model, path: Path, dialect: Dialect) -> list[float]:
    output = path.with_suffix(".parquet")
    options = PredictOptions(keep=("town",), dialect={"separator": dialect.separator})
    predict_file(model, "plain", path, output, options)
    return pd.read_parquet(output)["prediction"].tolist()


def check(dialect: Dialect, folder: Path, plain: tuple[bytes, Model, list[float]]) -> None:
    table, model, wanted = plain
    path = write(folder / "t.csv", dialect)
    info = files.fetch(folder, "price", path=str(path), separator=dialect.separator)
    assert (folder / "table.parquet").read_bytes() == table, (dialect, info.written)
    columns = tuple(
        dataclasses.replace(spec, written=Written.from_dict(info.written[spec.name]))
        if spec.name in info.written
        else spec
        for spec in model.about.columns
    )
    spoken = dataclasses.replace(model, about=dataclasses.replace(model.about, columns=columns))
    assert predict(spoken, path, dialect) == wanted, dialect


def test_a_table_in_many_dialects_is_one_table(plain, tmp_path):
    for dialect in dialects(step=199):
        check(dialect, tmp_path, plain)


@pytest.mark.slow
def test_a_table_in_every_dialect_is_one_table(plain, tmp_path):
    n_tried = 0
    for dialect in dialects(step=3):
        check(dialect, tmp_path, plain)
        n_tried += 1
    assert n_tried >= 2_000
