"""Text fields -> the values of their column's type, once that is known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from layerline.columns import date, number
from layerline.columns.missing import plain_fields
from layerline.columns.number_forms import to_plain
from layerline.columns.spec import ColumnSpec
from layerline.columns.survey import ColumnType, FieldSurvey, to_whole
from layerline.columns.truth_words import TRUE_WORDS
from layerline.columns.written import Written


@dataclass(frozen=True)
class Parsed:
    """A typed column, and the positions of fields that its type cannot hold."""

    values: pa.ChunkedArray
    too_large: tuple[int, ...] = ()  # decimals that would become infinite
    too_small: tuple[int, ...] = ()  # decimals that would become zero
    note: str | None = None
    written: Mapping[int, str] = field(default_factory=dict)  # the first field of each kind


def convert(fields: pa.ChunkedArray, kind: ColumnType) -> Parsed:
    """The values of fields whose column has this type."""
    if fields.null_count == len(fields):
        return Parsed(fields.cast(kind.type))
    if kind.type == pa.string():
        return Parsed(fields, note=kind.note)
    plain = plain_fields(fields)
    if kind.type == pa.bool_():
        is_true = pc.is_in(pc.utf8_lower(plain), value_set=pa.array(TRUE_WORDS))
        return Parsed(pc.if_else(pc.is_null(plain), pa.scalar(None, pa.bool_()), is_true))
    if kind.type == pa.timestamp("us"):
        return Parsed(_dates(plain, kind.written))
    if kind.written is not None:
        plain = to_plain(plain, kind.written)
    return _decimals(plain) if kind.type == pa.float64() else Parsed(to_whole(plain))


def _dates(plain: pa.ChunkedArray, written: Written | None) -> pa.ChunkedArray:
    if written is None:
        return date.parse(plain)
    spec = ColumnSpec("", "date", "datetime64[us]", written=written)
    return pa.chunked_array([pa.array(date.from_text(plain, spec).values, from_pandas=True)])


def parse_column(fields: pa.ChunkedArray) -> Parsed:
    """The typed values of a column of text fields; empty fields are null already."""
    survey = FieldSurvey()
    survey.add(fields)
    return convert(fields, survey.result)


def _decimals(plain: pa.ChunkedArray) -> Parsed:
    values = plain.cast(pa.float64())
    too_large = _those(pc.is_inf(values), plain, number.DECIMAL)
    too_small = _positions(number.vanished(values, plain))
    first = {row: plain[row].as_py() for row in (*too_large[:1], *too_small[:1])}
    return Parsed(values, too_large, too_small, written=first)


def _those(mask: pa.ChunkedArray, plain: pa.ChunkedArray, pattern: str) -> tuple[int, ...]:
    """The positions in the mask whose field is written as the pattern says."""
    if not pc.any(mask).as_py():
        return ()
    return _positions(pc.and_(mask, pc.match_substring_regex(plain, pattern)))


def _positions(mask: pa.ChunkedArray) -> tuple[int, ...]:
    return tuple(pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist())
