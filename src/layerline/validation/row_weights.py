"""The column of row weights, `fetch.weights`: positive numbers, and no feature."""

import dataclasses
from pathlib import Path

from layerline.errors import DataError
from layerline.text import closest
from layerline.validation.schema.definitions import CrossRule, TableSchema


def weigh(schema: TableSchema, name: str, path: Path) -> TableSchema:
    """The schema in which that column is not learnt from, and is known and positive in every row.

    Raises:
        DataError: there is no such column of numbers.
    """
    specs = {column.name: column for column in schema.columns}
    if name not in specs:
        near = closest(name, list(specs))
        hint = f"did you mean {near!r}?" if near else "add it: `layerline schema --update`"
        raise DataError(f"fetch.weights: {path} has no column {name!r}; {hint}")
    if specs[name].kind != "number":
        raise DataError(
            f"fetch.weights: {name!r} is a {specs[name].kind} in {path}, and weights are numbers; "
            "name another column, or change its kind"
        )
    columns = tuple(
        dataclasses.replace(column, use=False) if column.name == name else column
        for column in schema.columns
    )
    rule = CrossRule(f"not missing(`{name}`) and `{name}` > 0")
    return dataclasses.replace(schema, columns=columns, checks=(*schema.checks, rule))
