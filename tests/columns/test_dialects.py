"""One table in any dialect: the same bytes in data/raw, and the same answers."""

import bz2
import csv
import dataclasses
import gzip
import io
import lzma
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pytest
import torch

from layerline.columns.kinds import infer
from layerline.columns.spec import ColumnSpec
from layerline.columns.written import Written
from layerline.errors import DataError
from layerline.model.bundle import About
from layerline.model.predict_file import PredictOptions, predict_file
from layerline.model.predictor import Model
from layerline.networks import build_network
from layerline.scaling.preprocessing.categories import Category
from layerline.scaling.preprocessing.numbers import Numbers, Scaled
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.scalers import Affine
from layerline.serving.request_handler import RequestHandler
from layerline.sources import files
from layerline.sources.reading.dialect import USUAL
from layerline.tables.storage import read_table

DATES: dict[str, Callable[[datetime], str]] = {
    "iso": lambda day: day.strftime("%Y-%m-%d"),
    "day first": lambda day: day.strftime("%d/%m/%Y"),
    "dotted": lambda day: f"{day.day}.{day.month}.{day.year}",
    "month first": lambda day: day.strftime("%m/%d/%Y"),
    "named": lambda day: day.strftime("%d %b %Y"),
    "slashes": lambda day: day.strftime("%Y/%m/%d"),
    "zoned": lambda day: (day + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    "hours": lambda day: (day - timedelta(hours=5)).strftime("%Y-%m-%d %H:%M:%S-05"),
    "half days": lambda day: day.strftime("%m/%d/%Y %I:%M %p"),
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "decimal": (".", ","),
    "group": ("", "other", "\N{NARROW NO-BREAK SPACE}", "'"),
    "minus": ("-", "\N{MINUS SIGN}", "(", "behind"),
    "unit": ("", "€", "m²", "%", "Stück"),
    "date": tuple(DATES),
    "truth": (("true", "false"), ("TRUE", "FALSE"), ("yes", "no"), ("Ja", "Nein"), ("Y", "N")),
    "separator": (",", ";", "\t", "|"),
    "quoting": (csv.QUOTE_MINIMAL, csv.QUOTE_ALL),
    "line_end": ("\n", "\r\n"),
    "before": ("", "sep=", "Bericht\n\n", "# by X\n"),
    "encoding": ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1"),
    "packed": tuple(PACKED),
}


class Dialect(NamedTuple):
    decimal: str
    group: str
    minus: str
    unit: str
    date: str
    truth: tuple[str, str]
    separator: str
    quoting: int
    line_end: str
    before: str
    encoding: str
    packed: str


PLAIN = Dialect(*(values[0] for values in CHOICES.values()))
HEADER = ["area", "income", "day", "pool", "town", "price"]


def rows(n: int = 24) -> list[tuple[Any, ...]]:
    generator = np.random.default_rng(3)
    area = (generator.integers(-20_000, 2_000_000, n) / 100).round(2)
    area[0] = 1234.56
    income = generator.integers(-20_000, 3_000_000, n)
    days = [datetime(2022, 1, 1) + timedelta(int(k)) for k in generator.integers(0, 720, n)]
    days[0] = datetime(2022, 12, 31)
    pool = generator.random(n) < 0.5
    town = generator.choice(["Lund", "Köln", "München", "New York"], n)
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
    text = text.replace("\0", mark)
    if value < 0 and dialect.minus == "behind":
        text = f"{text}-" if not unit else f"-{text}"
    elif value < 0 and dialect.minus != "(":
        text = dialect.minus + text
    text = f"{text} {unit}" if unit else text
    return f"({text})" if value < 0 and dialect.minus == "(" else text


def fields(dialect: Dialect) -> list[list[str]]:
    true, false = dialect.truth
    return [
        [
            number(area, dialect, 2, dialect.unit),
            number(income, dialect, 0),
            "" if day is None else DATES[dialect.date](day),
            "" if pool is None else true if pool else false,
            town,
            number(price, dialect, 3),
        ]
        for area, income, day, pool, town, price in rows()
    ]


def encoded(dialect: Dialect) -> bytes:
    stream = io.StringIO(newline="")
    is_sign = dialect.before == "sep="
    stream.write(f"sep={dialect.separator}{dialect.line_end}" if is_sign else dialect.before)
    writer = csv.writer(
        stream,
        delimiter=dialect.separator,
        quoting=dialect.quoting,
        lineterminator=dialect.line_end,
    )
    writer.writerows([HEADER, *fields(dialect)])
    return stream.getvalue().encode(dialect.encoding)


def dialects(n: int) -> Iterator[Dialect]:
    """So many at random, the same ones each time; each pair of choices is among a thousand."""
    chance = random.Random(7)
    n_left = n
    while n_left:
        dialect = Dialect(*(chance.choice(values) for values in CHOICES.values()))
        try:
            encoded(dialect)
        except UnicodeEncodeError:  # a sign that this encoding has not
            continue
        n_left -= 1
        yield dialect


class Right(NamedTuple):
    """What the plain file gives."""

    table: bytes
    model: Model
    predicted: list[float]
    served: list[float]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Right:
    folder = tmp_path_factory.mktemp("plain")
    path = folder / "t.csv"
    path.write_bytes(encoded(PLAIN))
    files.fetch(folder, "price", path=str(path))
    frame = read_table(folder)
    model = make_model(tuple(infer(frame[name], name) for name in HEADER[:-1]))
    table = (folder / "table.parquet").read_bytes()
    served = answers(RequestHandler(model), "text/csv", encoded(PLAIN))
    return Right(table, model, predict(model, path), served)


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


def predict(model: Model, path: Path) -> list[float]:
    output = path.with_name("out.parquet")
    predict_file(model, "plain", path, output, PredictOptions(keep=("town",)))
    return pd.read_parquet(output)["prediction"].tolist()


def answers(handler: RequestHandler, content_type: str, body: bytes) -> list[float]:
    return handler.handle(content_type, body).predicted.prediction


def check(dialects: Iterator[Dialect], folder: Path, right: Right) -> None:
    handlers: dict[tuple[ColumnSpec, ...], RequestHandler] = {}
    for dialect in dialects:
        body = encoded(dialect)
        path = folder / f"t.csv{dialect.packed}"
        path.write_bytes(PACKED[dialect.packed](body))
        info = files.fetch(folder, "price", path=str(path))
        assert (folder / "table.parquet").read_bytes() == right.table, (dialect, info)
        columns = tuple(
            dataclasses.replace(spec, written=Written.from_dict(info.written[spec.name]))
            if spec.name in info.written
            else spec
            for spec in right.model.about.columns
        )
        if columns not in handlers:
            about = dataclasses.replace(right.model.about, columns=columns)
            handlers[columns] = RequestHandler(dataclasses.replace(right.model, about=about))
        handler = handlers[columns]
        assert predict(handler.model, path) == right.predicted, dialect
        assert answers(handler, "text/csv", body) == right.served, dialect
        json_rows = [dict(zip(HEADER, row, strict=True)) for row in fields(dialect)]
        body = orjson.dumps(json_rows)
        assert answers(handler, "application/json", body) == right.served, dialect


def test_a_table_in_many_dialects_is_one_table(plain, tmp_path):
    check(dialects(25), tmp_path, plain)


@pytest.mark.slow
def test_a_table_in_two_thousand_dialects_is_one_table(plain, tmp_path):
    n_dialects = 2_048
    assert len(set(dialects(n_dialects))) > 2_000
    check(dialects(n_dialects), tmp_path, plain)


def test_predict_reads_json_and_arrow_as_it_reads_csv(plain, tmp_path):
    files.fetch(tmp_path, "price", path=str(write_plain(tmp_path)))
    frame = read_table(tmp_path)
    frame["day"] = frame["day"].astype("string")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "t.json", orient="records", indent=2)
    frame.to_json(tmp_path / "columns.json")
    read_table(tmp_path).to_feather(tmp_path / "t.arrow")
    (tmp_path / "t.json.gz").write_bytes(gzip.compress((tmp_path / "t.json").read_bytes()))
    for name in ("t.jsonl", "t.json", "columns.json", "t.json.gz", "t.arrow"):
        assert predict(plain.model, tmp_path / name) == plain.predicted, name


def test_a_column_that_a_month_lacks_is_missing_where_training_read_a_union(plain, tmp_path):
    narrow = pd.read_csv(write_plain(tmp_path)).drop(columns="day")
    narrow.to_csv(tmp_path / "narrow.csv", index=False)
    with pytest.raises(DataError, match="column 'day' is missing"):
        predict(plain.model, tmp_path / "narrow.csv")
    about = dataclasses.replace(plain.model.about, dialect=USUAL._replace(union=True))
    model = dataclasses.replace(plain.model, about=about)
    found = predict(model, tmp_path / "narrow.csv")
    assert found == predict(plain.model, with_gaps(narrow, tmp_path / "gaps.csv"))
    body = (tmp_path / "narrow.csv").read_bytes()
    assert answers(RequestHandler(model), "text/csv", body) == pytest.approx(found)


def write_plain(folder: Path) -> Path:
    path = folder / "plain.csv"
    path.write_bytes(encoded(PLAIN))
    return path


def with_gaps(frame: pd.DataFrame, path: Path) -> Path:
    frame.assign(day=None).to_csv(path, index=False)
    return path
