"""An earlier model's preprocessor on new data: its columns unchanged, new ones fitted."""

import dataclasses
from collections.abc import Mapping, Sequence

from layerline.columns.spec import ColumnSpec
from layerline.config import ScaleSection
from layerline.errors import DataError
from layerline.scaling.preprocessing.fit_preprocessor import fit_preprocessor
from layerline.scaling.preprocessing.numbers import Numbers, TrainRows
from layerline.scaling.preprocessing.preprocessor import Preprocessor

WHERE = "scale.preprocessor.columns"


def reuse_for_table(
    source: Preprocessor,
    names: Mapping[str, str],
    rows: TrainRows,
    columns: Sequence[ColumnSpec],
    section: ScaleSection,
    fitted: Preprocessor,
) -> Preprocessor:
    """The source's columns as the source has them, then new ones, fitted on train rows.

    Args:
        source: the earlier model's.
        names: from the source's columns to their names here, where they differ.
        rows: the train rows.
        columns: of the new data.
        section: how new columns are fitted.
        fitted: fitted to the new data, for its target and classes; numbers keep the source's unit.

    Raises:
        DataError: the new data lack a column that the source reads, or it is of another kind.
    """
    mapped = source.renamed(names)
    by_name = {column.name: column for column in columns}
    _require_columns(source, names, by_name)
    _require_kinds(mapped, by_name)
    kept = set(mapped.input_columns)
    new = [c for c in columns if c.name not in kept and c.use and c.name != fitted.target]
    if new:
        more = fit_preprocessor(
            rows, new, section, target=fitted.target, task=fitted.task, classes=fitted.classes
        )
        mapped = _joined(mapped, more)
    other_kind = fitted.task != source.task and "regression" in (fitted.task, source.task)
    unit = fitted if other_kind else source
    return dataclasses.replace(
        mapped,
        target=fitted.target,
        task=fitted.task,
        classes=fitted.classes,
        targets=fitted.targets,
        target_center=unit.target_center,
        target_scale=unit.target_scale,
        target_curve=unit.target_curve,
    )


def reuse_for_images(source: Preprocessor, fitted: Preprocessor) -> Preprocessor:
    """The source's pixel scaling.

    Raises:
        DataError: the source reads a table, or another number of channels.
    """
    if source.image is None or fitted.image is None:
        raise DataError("scale.preprocessor: the source reads a table, and the data are images")
    n_theirs, n_ours = len(source.image.center), len(fitted.image.center)
    if n_theirs != n_ours:
        raise DataError(
            f"scale.preprocessor: the source reads images of {n_theirs} channels, these have "
            f"{n_ours}; leave scale.preprocessor out to fit a new one"
        )
    return dataclasses.replace(fitted, image=source.image)


def _require_columns(
    source: Preprocessor, names: Mapping[str, str], by_name: Mapping[str, ColumnSpec]
) -> None:
    absent = [old for old in source.input_columns if names.get(old, old) not in by_name]
    if absent:
        raise DataError(
            f"scale.preprocessor: the source reads column {absent[0]!r}, which the data lack; "
            f"map it with `{WHERE}: {{{absent[0]}: NAME}}`, or leave scale.preprocessor out to "
            "fit a new one"
        )


def _require_kinds(mapped: Preprocessor, by_name: Mapping[str, ColumnSpec]) -> None:
    numbers = mapped.numbers.names if mapped.numbers else ()
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(numbers, ("number", "date"))
    wanted |= {item.name: ("category",) for item in mapped.categories}
    wanted |= {item.name: ("date",) for item in mapped.dates}
    for name, kinds in wanted.items():
        if by_name[name].kind not in kinds:
            raise DataError(
                f"scale.preprocessor: column {name!r} is a {kinds[0]} to the source and a "
                f"{by_name[name].kind} in the schema; set `kind: {kinds[0]}` there"
            )


def _joined(first: Preprocessor, more: Preprocessor) -> Preprocessor:
    """Both one after the other; codes stay last."""
    categories = sorted((*first.categories, *more.categories), key=lambda item: item.is_code)
    return dataclasses.replace(
        first,
        numbers=_joined_numbers(first.numbers, more.numbers),
        dates=(*first.dates, *more.dates),
        categories=tuple(categories),
    )


def _joined_numbers(first: Numbers | None, more: Numbers | None) -> Numbers | None:
    if first is None or more is None:
        return first or more
    moved = (
        dataclasses.replace(part, columns=tuple(len(first.names) + c for c in part.columns))
        for part in more.scaled
    )
    return Numbers(
        names=(*first.names, *more.names),
        fill=(*first.fill, *more.fill),
        scaled=(*first.scaled, *moved),
        indicators=(*first.indicators, *more.indicators),
    )
