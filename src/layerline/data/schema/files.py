"""data/schemas/<project>.yaml: inferred once, committed, edited by people, enforced ever after.

`read_schema` refuses unknown keys and contradictions all at once, each with its dotted path.
`write_schema` is deterministic: no dates, no paths; reading gives back what was written.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from layerline.artifacts import write_text
from layerline.config import Task, read_yaml
from layerline.data.schema.columns import ColumnSpec, Dtype, Kind, TableSchema
from layerline.errors import ParamsError, Problem
from layerline.lookup import problems_of

HEADER = """\
What the data must look like. Inferred once from the first data, then enforced by the stage
`validate`: edit it where it is wrong or too narrow, and commit it.

target, task   what is predicted; binary and multiclass need the classes as the target's levels
columns        one line a column:
  kind         number, category, date, or text (free text, which no network here reads)
  dtype        int64 (whole numbers), float64 (decimals), bool, str or datetime64[us]
  nullable     true: values may be missing
  use          false: the column must be there, but the network does not see it
  min, max     a number outside is bad; inferred as the seen range and ten times its width
               on each side
  levels       the only values a category may have
"""
_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_DTYPES: Mapping[Kind, tuple[Dtype, ...]] = {
    "number": ("int64", "float64"),
    "category": ("str", "bool", "int64"),
    "date": ("datetime64[us]",),
    "text": ("str",),
}
_PYTHON = {"str": str, "bool": bool, "int64": int}


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Column:
    """One column as the file has it."""

    kind: Kind
    dtype: Dtype
    nullable: bool = False
    use: bool = True
    min: float | None = None
    max: float | None = None
    levels: list[str | int | bool] | None = None


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Image:
    """The images' shape, (H, W) or (H, W, C)."""

    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=3)]
    dtype: Literal["uint8"] = "uint8"


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _File:
    """The whole file."""

    target: str
    task: Task
    columns: dict[str, _Column]
    image: _Image | None = None


def read_schema(path: Path) -> TableSchema:
    """Read and check a schema file.

    Raises:
        ParamsError: there is no such file, or it is wrong; every problem with its dotted path.
    """
    if not path.is_file():
        message = "no such file; `layerline schema` infers it from data/raw, then commit it"
        raise ParamsError([Problem("validate.schema", f"{path}: {message}")])
    raw = read_yaml(path)
    try:
        # JSON mode: strict about scalars, yet a mapping may fill a section.
        file = TypeAdapter(_File).validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        keys = ("target", "task", "columns", "image", *_Column.__dataclass_fields__)
        raise ParamsError(problems_of(error, "", keys), str(path)) from None
    problems = _contradictions(file)
    if problems:
        raise ParamsError(problems, str(path))
    columns = tuple(_to_spec(name, column) for name, column in file.columns.items())
    shape = tuple(file.image.shape) if file.image else None
    return TableSchema(file.target, file.task, columns, shape)


def _to_spec(name: str, column: _Column) -> ColumnSpec:
    low, high = (None if limit is None else float(limit) for limit in (column.min, column.max))
    levels = None if column.levels is None else tuple(column.levels)
    return ColumnSpec(
        name, column.kind, column.dtype, column.nullable, column.use, low, high, levels
    )


def _contradictions(file: _File) -> list[Problem]:
    problems = [p for name, c in file.columns.items() for p in _of_column(f"columns.{name}", c)]
    target = file.columns.get(file.target)
    if target is None:
        names = ", ".join(file.columns)
        return [*problems, Problem("target", f"{file.target!r} is not among the columns: {names}")]
    where = f"columns.{file.target}"
    wanted: Kind = "number" if file.task == "regression" else "category"
    if target.kind != wanted:
        problems.append(Problem(f"{where}.kind", f"must be {wanted} for {file.task}"))
    if target.nullable or not target.use:
        problems.append(Problem(where, "the target can be neither nullable nor unused"))
    n_levels = len(target.levels or ())
    if file.task == "binary" and n_levels != 2:
        problems.append(Problem(f"{where}.levels", f"must be two for binary, got {n_levels}"))
    if file.task == "multiclass" and n_levels < 3:
        problems.append(
            Problem(f"{where}.levels", f"must be three or more for multiclass, got {n_levels}")
        )
    return problems


def _of_column(where: str, column: _Column) -> list[Problem]:
    problems = []
    if column.dtype not in _DTYPES[column.kind]:
        known = " or ".join(_DTYPES[column.kind])
        message = f"must be {known} for a {column.kind}, got {column.dtype!r}"
        problems.append(Problem(f"{where}.dtype", message))
    if column.kind == "text" and column.use:
        problems.append(Problem(f"{where}.use", "must be false: no network here reads free text"))
    if column.min is not None and column.max is not None and column.min > column.max:
        problems.append(Problem(where, f"min {column.min:g} is above max {column.max:g}"))
    if column.kind != "number" and (column.min is not None or column.max is not None):
        problems.append(Problem(where, f"min and max are for numbers, not for a {column.kind}"))
    if (column.kind == "category") != bool(column.levels):
        message = (
            "a category needs levels" if column.kind == "category" else "only a category has levels"
        )
        problems.append(Problem(f"{where}.levels", message))
    elif column.levels and column.dtype in _PYTHON:
        problems += _of_levels(f"{where}.levels", column.levels, column.dtype)
    return problems


def _of_levels(where: str, levels: list[Any], dtype: Dtype) -> list[Problem]:
    wrong = [level for level in levels if type(level) is not _PYTHON[dtype]]
    if wrong:
        hint = "; write it in quotes" if dtype == "str" else ""
        return [Problem(where, f"{wrong[0]!r} is no {dtype}{hint}")]
    if len(set(levels)) < len(levels):
        twice = next(level for level in levels if levels.count(level) > 1)
        return [Problem(where, f"{twice!r} is there more than once")]
    return []


def schema_text(schema: TableSchema) -> str:
    """The schema as YAML 1.2, with comments for whoever edits it."""
    columns = CommentedMap()
    for column in schema.columns:
        columns[column.name] = _entry(column)
        remark = _remark(column, schema)
        if remark:
            columns.yaml_set_comment_before_after_key(column.name, before=remark, indent=2)
    document = CommentedMap(target=schema.target, task=schema.task)
    if schema.image_shape is not None:
        image = CommentedMap(shape=list(schema.image_shape), dtype="uint8")
        image.fa.set_flow_style()
        document["image"] = image
    document["columns"] = columns
    document.yaml_set_start_comment(HEADER)
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 1 << 20  # a column stays one line, also with a thousand levels
    yaml.dump(document, stream)
    return stream.getvalue()


def write_schema(path: Path, schema: TableSchema) -> None:
    """Write the schema file atomically."""
    write_text(path, schema_text(schema))


def _entry(column: ColumnSpec) -> CommentedMap:
    entry = CommentedMap(kind=column.kind, dtype=column.dtype)
    if column.nullable:
        entry["nullable"] = True
    if not column.use:
        entry["use"] = False
    for key, limit in (("min", column.minimum), ("max", column.maximum)):
        if limit is not None:
            # 120, not 120.0: a person reads it, and both are the same number.
            entry[key] = int(limit) if limit.is_integer() and abs(limit) < 1e15 else limit
    if column.levels is not None:
        levels = CommentedSeq(column.levels)
        levels.fa.set_flow_style()
        entry["levels"] = levels
    entry.fa.set_flow_style()
    return entry


def _remark(column: ColumnSpec, schema: TableSchema) -> str | None:
    if column.name == schema.target:
        return "the target"
    if column.kind == "text":
        return "not used: an identifier or free text (too many distinct values)"
    if not column.use and column.kind == "category":
        return "not used: says which split a row belongs to"
    return None if column.use else "not used: counts the rows, or holds nothing"
