"""The split of every row, as params.yaml asks for it and as the rows allow it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from layerline.config import WindowSection
from layerline.errors import DataError
from layerline.scaling.splitting import (
    LEFT_OUT,
    TRAIN,
    Labels,
    Split,
    SplitInput,
    check_splits,
    find_salt,
    hash_keys,
    moments_of,
)
from layerline.scaling.splitting.rare_classes import deal_rare_classes, rare_class_note
from layerline.scaling.splitting.repeats import deal_by_weight, repeat
from layerline.scaling.splitting.row_hash import Hashes, count_distinct
from layerline.scaling.splitting.split_counts import share_note
from layerline.scaling.validated_data import ValidatedData
from layerline.scaling.window import is_within, weights_by_age

SMALL_TABLE = 10_000  # rows, for which a salt is looked for
FEW_ROWS = 30  # in a whole table: more likely a part of one


@dataclasses.dataclass(frozen=True)
class SplitRows:
    """The split of each row (B,), its id (B,), the rows of each split, and notes for the user.

    `traits` are what else training must know of each row (B,): `group` or `time`, by which folds
    are dealt, and `weight`.
    """

    labels: Labels
    ids: Hashes
    n_rows: Mapping[str, int]
    notes: tuple[str, ...] = ()
    traits: Mapping[str, NDArray[Any]] = dataclasses.field(default_factory=dict)


def split_rows(
    data: ValidatedData,
    split: Split,
    options: Mapping[str, Any],
    seed: int,
    window: WindowSection | None = None,
) -> SplitRows:
    """Deal the rows; train rows outside the window are left out, or count less with their age.

    Raises:
        DataError: there is nothing to learn from, a split is empty, or a class has no train row.
    """
    _require_features(data)
    contents = data.hash_rows()
    ids = data.identify(contents)
    _require_differences(contents)
    is_classification = data.classes is not None
    rows = SplitInput(
        columns=data.table,
        names=data.table.names,
        row_hashes=ids,
        target=data.target,
        official=data.about["split_column"],
        is_classification=is_classification,
        seed=seed,
    )
    labels = split.build(rows, **options)
    classes = rows.column(data.target) if is_classification else None
    is_by_content = split.has_salt and not split.group_columns(options)
    n_distinct = count_distinct(ids)
    if is_by_content and repeat(n_distinct, len(ids)):
        labels = deal_by_weight(ids, options["salt"], options["valid"], options["test"])
    if classes is not None and split.deals_rows and not split.group_columns(options):
        labels = deal_rare_classes(labels, classes, ids, options["valid"], options["test"])
    if window is not None:
        labels = np.where((labels == TRAIN) & ~is_within(rows, labels, window), LEFT_OUT, labels)
    remedy = _remedy(ids, options, classes) if is_by_content else ""
    n_rows = check_splits(labels, classes, remedy)
    notes = [_observations_note(contents, ids)]
    if split.has_salt or split.deals_rows:
        notes.append(share_note(labels, options["valid"], options["test"], n_distinct))
    if classes is not None:
        notes.append(rare_class_note(labels, classes))
    kept = tuple(note for note in notes if note)
    traits = _traits(rows, split, options)
    if weights := data.about.get("weights"):
        traits["weight"] = data.table[[weights]][weights].to_numpy(dtype=np.float64)
    if window is not None and window.has_weights:
        traits["weight"] = weights_by_age(rows, labels, window) * traits.get("weight", 1.0)
    return SplitRows(labels, ids, n_rows, kept, traits)


def _traits(rows: SplitInput, split: Split, options: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    if groups := split.group_columns(options):
        return {"group": hash_keys(rows, groups, "scale.split")}
    return {"time": moments_of(rows, options[split.time_option])} if split.time_option else {}


def _observations_note(contents: Hashes, ids: Hashes) -> str | None:
    n_separate = int((contents != ids).sum())
    if not n_separate:
        return None
    n_kinds = count_distinct(contents[contents != ids])
    return (
        f"{n_separate:,} rows have only {n_kinds:,} different combinations of features, with "
        "different targets: they are dealt one by one, as separate observations"
    )


def _require_features(data: ValidatedData) -> None:
    """Refuse a table without any column to learn from.

    Raises:
        DataError: with the columns that the schema leaves out.
    """
    if data.images is not None:
        return
    others = [column for column in data.columns if column.name not in data.targets]
    if not any(column.use for column in others):
        raise DataError(
            f"there is nothing to learn {data.target!r} from: {_left_out([c.name for c in others])}"
        )


def _left_out(names: Sequence[str]) -> str:
    if not names:
        return "the table has no other column; add columns that are known before it"
    shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    return (
        f"the schema leaves out every other column ({shown}: identifiers, free text and constants "
        "say nothing of new rows); add columns to the source, or set `use: true` and a kind that "
        "is read (number, category, date) in the schema"
    )


def _require_differences(contents: Hashes) -> None:
    """Refuse rows that are all alike.

    Raises:
        DataError: they are.
    """
    if len(contents) > 1 and (contents == contents[0]).all():
        raise DataError(
            f"there is nothing to learn: all {len(contents):,} rows have equal features; add "
            "columns that differ from row to row"
        )


def _remedy(ids: Hashes, options: Mapping[str, Any], classes: pd.Series | None) -> str:
    """The advice for a small table whose hashes leave a split too small."""
    if len(ids) > SMALL_TABLE:
        return ""
    salt = find_salt(ids, classes, options["valid"], options["test"])
    is_other = salt is not None and salt != options["salt"]
    salted = f"set `salt: {salt}` in scale.split, which deals the rows better" if is_other else ""
    if len(ids) >= FEW_ROWS:
        return salted
    complete = (
        f"the whole table has {len(ids)} rows, too few to train and test on; check that the source "
        "is complete (a cut or half-written file, a query that found little)"
    )
    return f"{complete}; if there are no more, {salted}" if salted else complete
