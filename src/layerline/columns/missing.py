"""Words for a missing value.

They count in columns of numbers, dates and truth values (R and NumPy write them so); in a column of
text they are text, where only the empty field is missing.
"""

import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_WORDS = pa.array(MISSING_WORDS)


def plain_fields(fields: pa.ChunkedArray) -> pa.ChunkedArray:
    """Fields without blanks around them, the words for a missing value as null."""
    trimmed = pc.utf8_trim_whitespace(fields)
    missing = pc.is_in(trimmed, value_set=_WORDS)
    if not pc.any(missing).as_py():
        return trimmed
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
