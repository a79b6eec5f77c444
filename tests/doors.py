"""Every door through which a value reaches a model; each gives one outcome a value.

An outcome is the number that the value means, GAP where it means none, REFUSED where it may not be
used. The models behind the doors have one column `x` and predict its number, so that what a door
made of a value can be seen.
"""

import asyncio
import csv
import datetime
import io
import json
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from layerline.artifacts import replace_folder
from layerline.columns.spec import ColumnSpec
from layerline.config import ValidateSection
from layerline.errors import LayerlineError
from layerline.model.bundle import BundleContents, write_bundle
from layerline.model.load import load_bundle
from layerline.model.predict_file import PredictOptions
from layerline.networks.serialization import NetworkSpec, save_network
from layerline.registry.mlflow_model import save_mlflow_model
from layerline.registry.predict import predict_file
from layerline.scaling.preprocessing.categories import Category
from layerline.scaling.preprocessing.numbers import Numbers, Scaled
from layerline.scaling.preprocessing.preprocessor import Preprocessor
from layerline.scaling.preprocessing.scalers import Affine
from layerline.serving.json_rows import Refused
from layerline.serving.request_handler import RequestHandler
from layerline.sources import files, sql
from layerline.tables.storage import read_table
from layerline.validation.quarantine import validate
from layerline.validation.schema.definitions import TableSchema
from layerline.validation.schema.severities import Setting

GAP, REFUSED = "gap", "refused"
FILL = -77.0  # what a missing number is predicted as
Outcome = float | str
Door = Callable[[Sequence[Any]], list[Outcome]]

LEVELS = ("005", "7", "New York", "yes", "ä b")
SPECS = {
    "number": ColumnSpec("x", "number", "float64", nullable=True),
    "whole": ColumnSpec("x", "number", "int64", nullable=True),
    "date": ColumnSpec("x", "date", "datetime64[us]", nullable=True),
    "truth": ColumnSpec("x", "category", "bool", nullable=True, levels=(False, True)),
    "code": ColumnSpec("x", "category", "int64", nullable=True, levels=(-3, 1, 2, 20)),
    "word": ColumnSpec("x", "category", "str", nullable=True, levels=LEVELS),
}


def outcome_of(value: Any, spec: ColumnSpec) -> Outcome:
    """The outcome of a value in its column's type."""
    if pd.isna(value):
        return GAP
    if spec.kind == "date":
        epoch = datetime.datetime(1970, 1, 1)
        return (pd.Timestamp(value).to_pydatetime() - epoch) / datetime.timedelta(days=1)
    return float(value) if spec.kind == "number" else float((spec.levels or ()).index(value))


def make_model(folder: Path, spec: ColumnSpec) -> Path:
    """Write a bundle that predicts the number, or the place of the level, as it is."""
    if spec.kind == "category":
        levels = (*(spec.levels or ()), None)
        fitted = Preprocessor("y", "regression", None, categories=(Category("x", levels),))
        weights = [*range(len(levels) - 1), FILL]
    else:
        numbers = Numbers(("x",), (FILL,), (Scaled((0,), Affine((0.0,), (1.0,))),), ())
        fitted = Preprocessor("y", "regression", None, numbers=numbers)
        weights = [1.0]
    width = len(weights)
    about = NetworkSpec(
        "mlp",
        {"hidden": [2 * width], "norm": "none", "dropout": 0.0},
        (width,),
        1,
        "regression",
    )
    network = about.build()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        first, *_, last = (m for m in network.modules() if hasattr(m, "weight"))
        unit = torch.eye(width)
        first.weight[:] = torch.cat([unit, -unit])
        last.weight[0] = torch.tensor([*weights, *(-w for w in weights)])
    with replace_folder(folder / "network", {}) as place:
        save_network(place, network, about)
    contents = BundleContents(
        project="doors", network_folder=folder / "network", preprocessor=fitted, columns=[spec]
    )
    write_bundle(folder / "bundle", contents)
    return folder / "bundle"


class Doors:
    """All doors to one model."""

    def __init__(self, folder: Path, spec: ColumnSpec) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow warns of its own type hints when imported
            import mlflow.pyfunc
            from mlflow.pyfunc.scoring_server import init

        self.folder, self.spec = folder, spec
        bundle = make_model(folder, spec)
        model = load_bundle(bundle)
        self.handler = RequestHandler(model)
        self.uri = str(folder / "mlflow")
        example = pd.DataFrame({"x": pd.Series([None], dtype=object)})
        save_mlflow_model(folder / "mlflow", {"bundle": bundle}, model.about, example)
        self.pyfunc = mlflow.pyfunc.load_model(self.uri, suppress_warnings=True)
        self.app = init(self.pyfunc)
        self.by_text: dict[str, Door] = {
            "validate CSV": self.validate_csv,
            "validate JSON lines": self.validate_json_lines,
            "validate Parquet": self.validate_parquet,
            "validate SQL": self.validate_sql,
            "predict CSV": self.predict_csv,
            "predict Parquet": self.predict_parquet,
            "serve JSON": self.serve_json,
            "serve CSV": self.serve_csv,
            "serve Parquet": self.serve_parquet,
            "pyfunc": self.load_pyfunc,
            "mlflow models serve": self.serve_mlflow,
        }

    # Files

    def csv(self, values: Sequence[Any]) -> Path:
        path = self.folder / "rows.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "x", "y"])
            writer.writerows([i, "" if v is None else v, i % 7 / 2] for i, v in enumerate(values))
        return path

    def parquet(self, values: Sequence[Any] | pa.Array) -> Path:
        path = self.folder / "rows.parquet"
        if not isinstance(values, pa.Array):
            huge = any(isinstance(value, int) and abs(value) >= 2**63 for value in values)
            # Arrow has no whole numbers beyond 64 bits.
            plain = [float(v) if huge and v is not None else v for v in values]
            values = pa.array(plain)
        ids = np.arange(len(values))
        pq.write_table(pa.table({"id": ids, "x": values, "y": ids % 7 / 2}), path)
        return path

    # Training's doors

    def _validated(self, fetch: Callable[..., Any], **options: Any) -> list[Outcome]:
        raw = self.folder / "raw"
        raw.mkdir(exist_ok=True)
        fetch(raw, "y", **options)
        frame = read_table(raw)
        columns = (
            ColumnSpec("id", "number", "int64"),
            self.spec,
            ColumnSpec("y", "number", "float64"),
        )
        schema = TableSchema("y", "regression", columns, rules={"empty": Setting("warning")})
        section = ValidateSection(on_bad_rows="quarantine", max_bad_fraction=0.999)
        found: list[Outcome] = [REFUSED] * len(frame)
        result = validate(frame, schema, section)
        for place, value in zip(result.frame["id"], result.frame["x"].tolist(), strict=True):
            found[int(place)] = outcome_of(value, self.spec)
        return found

    def _with_fillers(self, values: Sequence[Any], door: Door) -> list[Outcome]:
        """Some right rows beside them: a table of bad rows alone is refused as a whole."""
        return door([*values, *[None] * (len(values) + 20)])[: len(values)]

    def validate_csv(self, values: Sequence[Any]) -> list[Outcome]:
        def door(rows: Sequence[Any]) -> list[Outcome]:
            return self._validated(files.fetch, path=str(self.csv(rows)))

        return self._with_fillers(values, door)

    def validate_json_lines(self, values: Sequence[Any]) -> list[Outcome]:
        def door(rows: Sequence[Any]) -> list[Outcome]:
            path = self.folder / "rows.jsonl"
            lines = [json.dumps({"id": i, "x": v, "y": i % 7 / 2}) for i, v in enumerate(rows)]
            path.write_text("\n".join(lines) + "\n")
            return self._validated(files.fetch, path=str(path))

        return self._with_fillers(values, door)

    def validate_parquet(self, values: Sequence[Any]) -> list[Outcome]:
        def door(rows: Sequence[Any]) -> list[Outcome]:
            return self._validated(files.fetch, path=str(self.parquet(rows)))

        return self._with_fillers(values, door)

    def validate_sql(self, values: Sequence[Any]) -> list[Outcome]:
        def door(rows: Sequence[Any]) -> list[Outcome]:
            path = self.folder / "rows.db"
            path.unlink(missing_ok=True)
            with sqlite3.connect(path) as connection:
                connection.execute("create table t (id integer primary key, x, y real)")
                # SQLite has no whole numbers beyond 64 bits.
                huge = any(isinstance(v, int) and abs(v) >= 2**63 for v in rows)
                plain = [float(v) if huge and v is not None else v for v in rows]
                lines = ((i, v, i % 7 / 2) for i, v in enumerate(plain))
                connection.executemany("insert into t values (?, ?, ?)", lines)
            connection.close()
            return self._validated(sql.fetch, url=f"sqlite:///{path}", table="t")

        return self._with_fillers(values, door)

    # `layerline predict`

    def _predicted(self, source: Path, n_rows: int) -> list[Outcome]:
        output = self.folder / "predicted.parquet"
        report = predict_file(
            self.uri, source, output, self.folder, PredictOptions(keep=("id",), on_bad_rows="skip")
        )
        found: list[Outcome] = [REFUSED] * n_rows
        table = pd.read_parquet(output)
        for place, value in zip(table["id"], table["prediction"], strict=True):
            found[int(place)] = GAP if value == FILL else value
        assert report.n_refused == found.count(REFUSED)
        return found

    def predict_csv(self, values: Sequence[Any]) -> list[Outcome]:
        return self._predicted(self.csv(values), len(values))

    def predict_parquet(self, values: Sequence[Any]) -> list[Outcome]:
        return self._predicted(self.parquet(values), len(values))

    # Servers: one wrong row refuses a request

    def _each(self, values: Sequence[Any], send: Callable[[Sequence[Any]], Any]) -> list[Outcome]:
        try:
            found = send(values)
        except (LayerlineError, Refused):
            if len(values) == 1:
                return [REFUSED]
            return [self._each([value], send)[0] for value in values]
        return [GAP if value == FILL else float(value) for value in found]

    def _answers(self, content_type: str, body: bytes) -> list[float]:
        return self.handler.handle(content_type, body).predicted.prediction

    def serve_json(self, values: Sequence[Any]) -> list[Outcome]:
        def send(values: Sequence[Any]) -> list[float]:
            rows = [{"x": value} for value in values]
            return self._answers("application/json", json.dumps(rows).encode())

        return self._each(values, send)

    def serve_csv(self, values: Sequence[Any]) -> list[Outcome]:
        return self._each(
            values, lambda some: self._answers("text/csv", self.csv(some).read_bytes())
        )

    def serve_parquet(self, values: Sequence[Any]) -> list[Outcome]:
        def send(values: Sequence[Any]) -> list[float]:
            body = self.parquet(values).read_bytes()
            return self._answers("application/vnd.apache.parquet", body)

        return self._each(values, send)

    def load_pyfunc(self, values: Sequence[Any]) -> list[Outcome]:
        def send(values: Sequence[Any]) -> list[float]:
            frame = pd.DataFrame({"x": pd.Series(list(values), dtype=object)})
            return list(self.pyfunc.predict(frame)["prediction"])

        return self._each(values, send)

    def serve_mlflow(self, values: Sequence[Any]) -> list[Outcome]:
        def send(values: Sequence[Any]) -> list[float]:
            rows = [{"x": value} for value in values]
            status, body = call_app(self.app, json.dumps({"dataframe_records": rows}).encode())
            if status != 200:
                raise LayerlineError(body.decode()[:200])
            return [row["prediction"] for row in json.loads(body)["predictions"]]

        return self._each(values, send)


def call_app(app: Any, body: bytes) -> tuple[int, bytes]:
    """One POST to /invocations of an ASGI app, in process."""
    sent: list[dict[str, Any]] = []
    headers = [(b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/invocations",
        "raw_path": b"/invocations",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": headers,
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    content = io.BytesIO()
    for message in sent:
        content.write(message.get("body", b""))
    return sent[0]["status"], content.getvalue()
