"""Files in, files out: a table or images, and the predictions of a registered model beside them.

Rows keep their order and their fields: text of a CSV goes out as it came in. The output appears
whole or not at all; memory stays flat however large the files are.
"""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from layerline import __version__
from layerline.artifacts import sha256_of
from layerline.config import Params
from layerline.errors import DataError, SourceError, TrackingError
from layerline.model.bundle import MANIFEST, About, Rows
from layerline.model.chunks import Chunk, HowToRead, check_input, check_output, read_chunks
from layerline.model.output_parts import Parts, open_parts, refused_path
from layerline.model.predictor import Model, load_bundle
from layerline.registry.client import open_registry
from layerline.text import first_line
from layerline.tracking.store import tracking_uri

CHUNK_ROWS = 49_152
PROGRESS_SECONDS = 2.0


@dataclass(frozen=True)
class Settings:
    """How a file is predicted.

    Attributes:
        keep: the columns that go to the output beside the predictions; None keeps all.
        on_bad_rows: whether a row that cannot be read ends it, or goes to the side file.
        resume: go on where a run that was killed had come to.
        dialect: `separator`, `encoding`, `missing` of a CSV that is written otherwise than the
            training's own.
        chunk_rows: rows predicted at a time.
        any_value: predict rows that break the schema of the training, too.
    """

    keep: tuple[str, ...] | None = None
    on_bad_rows: Literal["fail", "skip"] = "fail"
    resume: bool = False
    dialect: Mapping[str, Any] = field(default_factory=dict)
    chunk_rows: int = CHUNK_ROWS
    any_value: bool = False


@dataclass(frozen=True)
class PredictReport:
    """What was predicted; `refused` is the side file, where a row was refused."""

    model_uri: str
    output: Path
    n_rows: int
    n_refused: int = 0
    refused: Path | None = None


def default_uri(params: Params) -> str:
    """The model that `layerline predict` uses when none is named."""
    return f"models:/{params.project}@{params.register.alias}"


def predict_file(
    model_uri: str, source: Path, output: Path, home: Path, settings: Settings | None = None
) -> PredictReport:
    """Predict every row of `source` and write its columns and the predictions to `output`.

    Args:
        model_uri: an MLflow model URI, such as models:/digits@champion.
        source: CSV, TSV or Parquet; .npy for image models.
        output: CSV, TSV or Parquet, by its suffix.
        home: the main checkout, `Workspace.home`.
        settings: how; None is the usual way.

    Raises:
        ParamsError: a suffix or a column that is not known, or parts of another run to go on with.
        SourceError: `source` is not there or cannot be read, or the model's bytes were changed.
        DataError: a row cannot be read; the message names column and rows, nothing is written.
        BusyError: another process writes this output.
        TrackingError: there is no such model, or the store does not answer.
    """
    settings = settings or Settings()
    check_output(output)
    check_input(source)  # a wrong INPUT is told before a model is loaded
    with registered_bundle(model_uri, home) as bundle:
        model = load_bundle(bundle)
        identity = sha256_of(bundle / MANIFEST)
    how = HowToRead(
        n_rows=settings.chunk_rows,
        as_text=output.suffix.lower() in (".csv", ".tsv"),
        dialect=model.about.dialect._replace(**settings.dialect),
        keep=settings.keep,
    )
    stamp = _stamp(source)
    facts = {"input": [str(source.resolve()), *stamp], "model": identity, "layerline": __version__}
    facts |= {
        "options": [
            how.as_text,
            how.dialect,
            how.keep,
            how.n_rows,
            settings.on_bad_rows,
            settings.any_value,
        ]
    }
    with open_parts(output, _plain(facts), resume=settings.resume) as parts:
        chunks = _with_progress(read_chunks(source, how))
        with _naming(source):
            n_parts = _predict(model, chunks, parts, settings)
        if _stamp(source) != stamp:
            raise SourceError(f"{source}: was changed while it was read; run again")
        n_rows, n_refused = parts.finish(n_parts)
    side = refused_path(output) if n_refused else None
    return PredictReport(model_uri, output, n_rows, n_refused, side)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _plain(facts: Mapping[str, Any]) -> Any:
    """As JSON gives it back, so that it can be compared."""
    return json.loads(json.dumps(facts))


def _predict(model: Model, chunks: Iterable[Chunk], parts: Parts, settings: Settings) -> int:
    """Predict the chunks that have no part yet; return how many chunks there are."""
    n_chunks = n_rows = 0
    for chunk in chunks:
        if not parts.has(n_chunks):
            rows, fields = chunk.rows(), chunk.fields()
            wrong: dict[int, str] = {}
            if settings.on_bad_rows == "skip":
                wrong = model.refused_rows(rows, any_value=settings.any_value)
            good = np.setdiff1d(np.arange(chunk.n_rows), list(wrong)) if wrong else None
            predicted = _beside(model, rows, fields, n_rows, good, settings.any_value)
            extra = fields if settings.keep else pa.table({})
            parts.add(n_chunks, predicted, _refused(wrong, extra, n_rows))
        n_chunks += 1
        n_rows += chunk.n_rows
    return n_chunks


def _refused(wrong: Mapping[int, str], fields: pa.Table, rows_before: int) -> pa.Table:
    """The number of each row in the file (from 1), the reason, and the kept fields."""
    places = sorted(wrong)
    numbers = pa.array([rows_before + place + 1 for place in places], pa.int64())
    reasons = pa.array([wrong[place] for place in places], pa.string())
    taken = fields.take(pa.array(places, pa.int64())) if fields.num_columns else fields
    columns = [numbers, reasons, *taken.columns]
    return pa.table(columns, names=["row", "reason", *taken.column_names])


def load_registered(model_uri: str, home: Path) -> Model:
    """Load a registered model after checking its bytes.

    Raises:
        TrackingError: there is no such model, or the store does not answer.
        SourceError: its bytes were changed.
    """
    with registered_bundle(model_uri, home) as bundle:
        return load_bundle(bundle)


@contextlib.contextmanager
def registered_bundle(model_uri: str, home: Path) -> Iterator[Path]:
    """A copy of a registered model's bundle, which goes with the block; its bytes are unchecked.

    Raises:
        TrackingError: there is no such model, or the store does not answer.
    """
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        with open_registry(home, f"loading {model_uri}"):
            from mlflow.artifacts import download_artifacts

            try:
                path = download_artifacts(
                    artifact_uri=model_uri, dst_path=folder, tracking_uri=tracking_uri(home)
                )
            except MlflowException as error:
                if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                raise TrackingError(
                    f"{model_uri}: there is no such model ({first_line(error)}); "
                    "`dvc repro` trains and registers one"
                ) from None
        yield Path(path) / "artifacts" / "bundle"


def _beside(
    model: Model,
    rows: Rows,
    fields: pa.Table,
    rows_before: int,
    good: "np.ndarray[tuple[int], np.dtype[np.int64]] | None",
    any_value: bool,
) -> pa.Table:
    """The input's fields, then the prediction columns; of the good rows where some are not."""
    taken = [name for name in model.about.output_columns if name in fields.column_names]
    if taken:
        raise DataError(
            f"column {taken[0]!r} is in the data already, and is what the model adds; "
            "rename or remove it, or keep other columns (--keep)"
        )
    if good is not None:
        rows = rows[good] if isinstance(rows, np.ndarray) else rows.iloc[good]
        fields = fields.take(pa.array(good)) if fields.num_columns else fields
    predictions = model.predict(rows, rows_before=rows_before, any_value=any_value)
    predicted = pa.Table.from_pandas(
        predictions, schema=_predicted_schema(model.about), preserve_index=False
    )
    columns = [*fields.columns, *predicted.columns]
    return pa.table(columns, names=[*fields.column_names, *predicted.column_names])


def _predicted_schema(about: About) -> pa.Schema:
    """The same for every chunk, also for one without a row."""
    first, *others = about.output_columns
    kind = pa.float64() if about.classes is None else pa.array(list(about.classes)).type
    return pa.schema([(first, kind), *((name, pa.float64()) for name in others)])


@contextlib.contextmanager
def _naming(source: Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        told = str(error)
        raise DataError(told if told.startswith(str(source)) else f"{source}: {told}") from None


def _with_progress(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Show rows and rows a second when somebody looks on for more than a moment."""
    from tqdm import tqdm

    with tqdm(
        unit=" rows", unit_scale=True, disable=None, file=sys.stderr, delay=PROGRESS_SECONDS
    ) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(chunk.n_rows)
