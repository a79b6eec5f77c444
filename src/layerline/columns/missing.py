"""Words for a missing value.

They count in columns of numbers, dates and truth values (R, NumPy and pandas write them so,
spreadsheets their errors); in a column of text they are text, where only the empty field is
missing.
"""

import pyarrow as pa
import pyarrow.compute as pc

SHEET_ERRORS = ("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!")
_NAMES = ("NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NaT", "null", "NULL", "None")
MISSING_WORDS = ("", *_NAMES, *SHEET_ERRORS)
_BLANKS = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_WORDS = pa.array(MISSING_WORDS)


def plain_fields(fields: pa.ChunkedArray) -> pa.ChunkedArray:
    """Fields without blanks around them, the words for a missing value as null."""
    trimmed = pc.utf8_trim(fields, characters=_BLANKS)  # faster than by Unicode's property
    missing = pc.is_in(trimmed, value_set=_WORDS)
    if not pc.any(missing).as_py():
        return trimmed
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
