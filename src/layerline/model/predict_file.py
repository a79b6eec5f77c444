"""Files in, files out: a table or images, and a model's predictions next to them.

Rows keep their order and their fields: text of a CSV goes out as it came in. The output appears
whole or not at all; memory use is constant however large the files are.
"""

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from layerline import __version__
from layerline.errors import DataError, ParamsError, Problem, SourceError
from layerline.model.bundle import About, Rows
from layerline.model.chunks import read_chunks
from layerline.model.image_chunks import FILE
from layerline.model.inputs import InputTally
from layerline.model.output_parts import Parts, open_parts, refused_path
from layerline.model.pictures import find_pictures, picture_form
from layerline.model.predictor import Model
from layerline.model.row_chunk import Chunk, ReadOptions

CHUNK_ROWS = 49_152
PROGRESS_SECONDS = 2.0


@dataclass(frozen=True)
class PredictOptions:
    """How a file is predicted.

    Attributes:
        keep: the columns that go to the output next to the predictions; None keeps all.
        on_bad_rows: whether a row that cannot be read fails the run, or goes to the side file.
        resume: continue a run that was killed.
        dialect: `separator`, `encoding`, `missing` of a CSV that differs from the training's own.
        chunk_rows: rows predicted at a time.
        any_value: also predict rows that violate the schema of the training data.
    """

    keep: tuple[str, ...] | None = None
    on_bad_rows: Literal["fail", "skip"] = "fail"
    resume: bool = False
    dialect: Mapping[str, Any] = field(default_factory=dict)
    chunk_rows: int = CHUNK_ROWS
    any_value: bool = False


@dataclass(frozen=True)
class PredictReport:
    """How many rows were predicted; `refused` is the side file, where a row was refused."""

    output: Path
    n_rows: int
    n_refused: int = 0
    refused: Path | None = None
    notes: tuple[str, ...] = ()  # on how the input was read
    tally: InputTally = field(default_factory=InputTally)  # of the rows predicted in this run


def predict_file(
    model: Model, identity: str, source: Path, output: Path, options: PredictOptions
) -> PredictReport:
    """Predict every row of `source` and write its columns and the predictions to `output`.

    Args:
        model: predicts.
        identity: changes whenever the model does; a run resumes only with the same one.
        source: CSV, TSV or Parquet; for image models .npy, a picture, or a folder of pictures.
        output: CSV, TSV or Parquet, by its suffix.
        options: how.

    Raises:
        ParamsError: an unknown suffix or column, or the run to resume was another one.
        SourceError: `source` is missing or cannot be read.
        DataError: a row cannot be read; names column and rows, nothing is written.
        BusyError: another process is writing this output.
    """
    notes: list[str] = []

    def report(note: str) -> None:
        if note not in notes:
            notes.append(note.replace("the encoding", "--encoding"))

    require_other_file(source, output)
    how = ReadOptions(
        n_rows=options.chunk_rows,
        as_text=output.suffix.lower() in (".csv", ".tsv"),
        dialect=model.about.dialect._replace(**options.dialect),
        keep=options.keep,
        report=report,
        pictures=picture_form(model.about),
    )
    tally = InputTally()
    stamp = _stamp(source)
    facts = {"input": [str(source.resolve()), *stamp], "model": identity, "layerline": __version__}
    chosen = [how.as_text, how.dialect, how.keep, how.n_rows, options.on_bad_rows]
    facts |= {"options": [*chosen, options.any_value]}
    with open_parts(output, _plain(facts), resume=options.resume) as parts:
        chunks = _with_progress(read_chunks(source, how))
        with _naming(source):
            n_parts = _predict(model, chunks, parts, options, tally)
        if _stamp(source) != stamp:
            raise SourceError(f"{source}: changed while it was being read; run again")
        n_rows, n_refused = parts.finish(n_parts)
    side = refused_path(output) if n_refused else None
    return PredictReport(output, n_rows, n_refused, side, tuple(notes), tally)


def require_other_file(source: Path, output: Path) -> None:
    """Refuse to write over the input, also through a link.

    Raises:
        ParamsError: OUTPUT, or the file of its refused rows, is INPUT.
    """
    if any(side.exists() and side.samefile(source) for side in (output, refused_path(output))):
        message = f"{output}: is written over INPUT, {source}, which would be lost; name another"
        raise ParamsError([Problem("OUTPUT", message)], "layerline predict")


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does, or a picture in a folder."""
    found = [one.stat() for one in find_pictures(path)]
    return sum(one.st_size for one in found), max(one.st_mtime_ns for one in found)


def _plain(facts: Mapping[str, Any]) -> Any:
    """As JSON returns it, so that it can be compared."""
    return json.loads(json.dumps(facts))


def _predict(
    model: Model,
    chunks: Iterable[Chunk],
    parts: Parts,
    options: PredictOptions,
    tally: InputTally,
) -> int:
    """Predict the chunks that have no part yet; return the number of chunks."""
    n_chunks = n_rows = 0
    for chunk in chunks:
        if not parts.has(n_chunks):
            rows, fields = chunk.rows(), chunk.fields()
            wrong = dict(chunk.unread())
            if options.on_bad_rows == "skip":
                wrong |= model.refused_rows(rows, any_value=options.any_value)
            elif wrong:
                _refuse_pictures(wrong, fields)
            good = np.setdiff1d(np.arange(chunk.n_rows), list(wrong)) if wrong else None
            predict = functools.partial(
                model.predict, rows_before=n_rows, any_value=options.any_value, tally=tally
            )
            predicted = _beside(model.about, predict, rows, fields, good)
            is_named = options.keep or fields.column_names == [FILE]
            extra = fields if is_named else pa.table({})
            parts.add(n_chunks, predicted, _refused(wrong, extra, n_rows))
        n_chunks += 1
        n_rows += chunk.n_rows
    return n_chunks


def _refuse_pictures(wrong: Mapping[int, str], fields: pa.Table) -> None:
    at, reason = min(wrong.items())
    named = fields[FILE][at].as_py() if FILE in fields.column_names else f"picture {at + 1}"
    raise DataError(
        f"{named}: {reason} (pictures that cannot be used: {len(wrong)}); remove them, or set them "
        "aside with --on-bad-rows skip"
    )


def _refused(wrong: Mapping[int, str], fields: pa.Table, rows_before: int) -> pa.Table:
    """The number of each row in the file (from 1), the reason, and the kept fields."""
    places = sorted(wrong)
    numbers = pa.array([rows_before + place + 1 for place in places], pa.int64())
    reasons = pa.array([wrong[place] for place in places], pa.string())
    taken = fields.take(pa.array(places, pa.int64())) if fields.num_columns else fields
    columns = [numbers, reasons, *taken.columns]
    return pa.table(columns, names=["row", "reason", *taken.column_names])


def _beside(
    about: About,
    predict: Callable[[Rows], pd.DataFrame],
    rows: Rows,
    fields: pa.Table,
    good: "np.ndarray[tuple[int], np.dtype[np.int64]] | None",
) -> pa.Table:
    """The input's fields, then the prediction columns; `good` selects the readable rows."""
    added = about.prediction_columns
    taken = [name for name in added if name in fields.column_names]
    if taken:
        raise DataError(
            f"column {taken[0]!r} already exists in the data, and the model adds one of that name; "
            "rename or remove it, or keep other columns (--keep)"
        )
    if good is not None:
        rows = rows[good] if isinstance(rows, np.ndarray) else rows.iloc[good]
        fields = fields.take(pa.array(good)) if fields.num_columns else fields
    predictions = predict(rows)
    predicted = pa.Table.from_pandas(
        predictions, schema=_predicted_schema(about), preserve_index=False
    )
    columns = [*fields.columns, *predicted.columns]
    return pa.table(columns, names=[*fields.column_names, *predicted.column_names])


def _predicted_schema(about: About) -> pa.Schema:
    """The same for every chunk, even an empty one."""
    if about.targets:
        arrays = [
            pa.float64() if t.levels is None else pa.array(t.levels).type for t in about.targets
        ]
        types = [*arrays, *[pa.float64()] * len(about.targets)]
        return pa.schema(zip(about.prediction_columns, types, strict=False))
    kind = pa.float64() if about.classes is None else pa.array(list(about.classes)).type
    kinds: dict[type, pa.DataType] = {float: pa.float64(), bool: pa.bool_()}
    others = [(name, kinds[one]) for name, one in about.output_columns.items()]
    return pa.schema([("prediction", kind), *others])


@contextlib.contextmanager
def _naming(source: Path) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        message = str(error)
        if not message.startswith(str(source)):
            message = f"{source}: {message}"
        raise DataError(message) from None


def _with_progress(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Show rows and rows per second on a terminal, after a moment."""
    from tqdm import tqdm

    with tqdm(
        unit=" rows", unit_scale=True, disable=None, file=sys.stderr, delay=PROGRESS_SECONDS
    ) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(chunk.n_rows)
