"""Files in, files out: a table or images, and the predictions of a registered model beside them.

Rows keep their order and their fields: text of a CSV goes out as it came in. The output appears
whole or not at all.
"""

import contextlib
import itertools
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from layerline.artifacts import replace_file
from layerline.config import Params
from layerline.data.reading.delimited import USUAL, Dialect
from layerline.data.tables import first_line
from layerline.errors import DataError, TrackingError
from layerline.registry.access import open_registry
from layerline.registry.chunks import Chunk, Write, check_output, open_writer, read_chunks
from layerline.registry.model import Model, load_bundle
from layerline.tracking.store import tracking_uri

CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class PredictReport:
    """What was predicted."""

    model_uri: str
    output: Path
    n_rows: int


def default_uri(params: Params) -> str:
    """The model that `layerline predict` uses when none is named."""
    return f"models:/{params.project}@{params.register.alias}"


def dialect_of(params: Params | None) -> Dialect:
    """How the training's own files are written, where params.yaml says so."""
    options = params.fetch.options if params and params.fetch.source == "files" else {}
    return Dialect(None, options.get("encoding", "utf-8"), tuple(options.get("missing") or ()))


def predict_file(
    model_uri: str,
    source: Path,
    output: Path,
    home: Path,
    chunk_rows: int = CHUNK_ROWS,
    dialect: Dialect = USUAL,
) -> PredictReport:
    """Predict every row of `source` and write its columns and the predictions to `output`.

    Args:
        model_uri: an MLflow model URI, such as models:/digits@champion, or a model's folder.
        source: CSV, TSV or Parquet; .npy for image models.
        output: CSV, TSV or Parquet, by its suffix.
        home: the main checkout, `Workspace.home`.
        chunk_rows: rows predicted at a time.
        dialect: encoding and missing words of a CSV, as the training read it.

    Raises:
        ParamsError: a suffix that is not known.
        SourceError: `source` is not there or cannot be read, or the model's bytes were changed.
        DataError: a row cannot be read; the message names column and rows, nothing is written.
        TrackingError: there is no such model, or the store does not answer.
    """
    check_output(output)
    chunks = read_chunks(source, chunk_rows, output.suffix.lower() in (".csv", ".tsv"), dialect)
    first = next(chunks)  # a wrong INPUT is told before a model is loaded
    model = load_registered(model_uri, home)
    n_rows = 0
    with replace_file(output) as temporary, contextlib.ExitStack() as stack:
        write: Write | None = None
        for chunk in _with_progress(itertools.chain([first], chunks)):
            with _naming(source):
                table = _beside(chunk, model, n_rows)
            write = write or stack.enter_context(open_writer(temporary, output, table.schema))
            write(table)
            n_rows += table.num_rows
        stack.close()
    return PredictReport(model_uri, output, n_rows)


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


def _beside(chunk: Chunk, model: Model, rows_before: int) -> pa.Table:
    """The input's fields, then the prediction columns."""
    taken = [name for name in model.about.output_columns if name in chunk.fields.column_names]
    if taken:
        raise DataError(
            f"column {taken[0]!r} is in the data already, and is what the model adds; "
            "rename or remove it"
        )
    predictions = model.predict(chunk.rows, rows_before=rows_before)
    predicted = pa.Table.from_pandas(predictions, preserve_index=False)
    columns = [*chunk.fields.columns, *predicted.columns]
    return pa.table(columns, names=[*chunk.fields.column_names, *predicted.column_names])


@contextlib.contextmanager
def _naming(source: Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{source}: {error}") from None


def _with_progress(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Show rows and rows a second when somebody looks on."""
    from tqdm import tqdm

    with tqdm(unit=" rows", unit_scale=True, disable=None, file=sys.stderr) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk.rows))
