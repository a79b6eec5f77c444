"""What cannot be fitted is refused before anything is."""

from collections.abc import Sequence

from layerline.columns.spec import ColumnSpec
from layerline.config import ScaleSection
from layerline.errors import DataError, ParamsError, Problem
from layerline.lookup import read_choices
from layerline.text import closest


def require_usable(features: Sequence[ColumnSpec]) -> None:
    """Refuse a table without a feature, and free text.

    Raises:
        DataError: with what to do about it.
    """
    if not features:
        raise DataError("the schema leaves no column to learn from; set `use: true` on some")
    text = [column.name for column in features if column.kind == "text"]
    if text:
        raise DataError(
            f"column {text[0]!r} is free text, which no stage turns into numbers; in the schema "
            "set `use: false` for it, or `kind: category` where few values come again and again; "
            "or put numbers made from it (lengths, counts, an embedding) into the source"
        )


def require_known(section: ScaleSection, features: Sequence[ColumnSpec]) -> None:
    """Refuse choices for columns that are not there, or are of another kind.

    Raises:
        ParamsError: with each of them.
    """
    kinds = {
        "numeric": ("number", "date"),
        "missing": ("number", "date"),
        "categorical": ("category",),
        "dates": ("date",),
    }
    problems = []
    for key, fitting in kinds.items():
        names = [column.name for column in features if column.kind in fitting]
        for name in read_choices(getattr(section, key), "").columns:
            if name not in names:
                near = closest(name, names)
                hint = f"; did you mean {near!r}?" if near else ""
                message = f"no {' or '.join(fitting)} column that is used has this name{hint}"
                problems.append(Problem(f"scale.{key}.columns.{name}", message))
    if problems:
        raise ParamsError(problems)
